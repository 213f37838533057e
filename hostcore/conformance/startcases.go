package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/sdk/pluginv1"
)

// alone are the cases before there is a manifest.
var alone = []step{
	{"by-hand", "started by hand it explains itself and exits", func(_ context.Context, k *kit) error {
		return k.explains()
	}},
	{"no-cookie", "\"serve\" without the host's cookie is refused with a helpful text", func(_ context.Context, k *kit) error {
		return k.explains(pluginv1.ServeArg)
	}},
	{"handshake", "it shakes hands on the descriptor it was given", handshake},
	{manifestCase, "it describes itself before it is configured, and the host accepts what it says", describe},
	{"manifest-schemas", "every schema of its manifest is a valid JSON Schema", schemas},
	{"manifest-same", "its manifest is the same on every call and in every process", deterministic},
	{"describe", "\"describe\" prints the manifest as JSON without serving", describeCommand},
}

// explains starts the binary without a host.
func (k *kit) explains(args ...string) error {
	b, err := k.launch(false, args...)
	if err != nil {
		return err
	}
	defer b.stop()
	if !b.ends(k.o.Timeout) {
		return fmt.Errorf("it still ran after %s: without %s in its environment it has to exit", k.o.Timeout, pluginv1.MagicCookieKey)
	}
	b.stopAndRead(k.o.Grace) // its output is complete then
	said := strings.TrimSpace(b.out.String())
	lower := strings.ToLower(said)
	switch {
	case len(said) == 0:
		return errors.New("it exited without a word: say that it is a plugin and what runs it")
	case !strings.Contains(lower, "plugin") && !strings.Contains(lower, "orch") && !strings.Contains(lower, "host"):
		return fmt.Errorf("its text does not say that it is a plugin for the Orch host: %s", clip(said))
	case b.cmd.ProcessState.ExitCode() == 0 && len(args) > 0:
		return errors.New("it exited with code 0, as if it had served")
	}
	return nil
}

func handshake(ctx context.Context, k *kit) error {
	b, err := k.launch(true, pluginv1.ServeArg)
	if err != nil {
		return err
	}
	defer b.stop()
	line, onStdout, err := b.handshake(ctx, k.o.Timeout)
	if err != nil {
		return err
	}
	if want := "1|1|unix|" + b.dir + "/"; !strings.HasPrefix(line, want) || !strings.Contains(line, "|grpc") {
		return fmt.Errorf("the handshake line is %q, want %s<name>|grpc|", line, want)
	}
	if onStdout {
		return pass("the line came on stdout: the host takes it, but what looks like a handshake in the plugin's own prints would break the start; write it to the descriptor that %s names", pluginv1.EnvHandshakeFD)
	}
	return nil
}

func describe(ctx context.Context, k *kit) error {
	s, err := k.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	m, err := s.describe(ctx)
	if err != nil {
		return fmt.Errorf("call Describe: %w", err)
	}
	if err := plugin.CheckManifest(m); err != nil {
		return err
	}
	k.manifest = m
	if problem := config.GroupProblem(m.GetGroup()); problem != "" {
		return pass("no table of orch.toml can configure it: %s; give it another group", problem)
	}
	return nil
}

func (k *kit) needManifest() error {
	if k.manifest == nil {
		return skip("the plugin could not be started and described")
	}
	return nil
}

func schemas(_ context.Context, k *kit) error {
	if err := k.needManifest(); err != nil {
		return err
	}
	var errs []error
	check := func(what string, schema []byte) {
		if _, err := compile(schema); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	check("config_schema", k.manifest.GetConfigSchema())
	for _, a := range k.manifest.GetActivities() {
		check("input_schema of "+a.GetName(), a.GetInputSchema())
		check("output_schema of "+a.GetName(), a.GetOutputSchema())
	}
	return errors.Join(errs...)
}

func deterministic(ctx context.Context, k *kit) error {
	if err := k.needManifest(); err != nil {
		return err
	}
	s, err := k.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	for range 2 {
		m, err := s.describe(ctx)
		if err != nil {
			return fmt.Errorf("call Describe again: %w", err)
		}
		if !bytes.Equal(wire(m), wire(k.manifest)) {
			return fmt.Errorf("it answered another manifest than before: the host keeps manifests by the binary's digest, so it must not hold times, random numbers or the order of a hash table")
		}
	}
	return nil
}

func wire(m *pluginv1.Manifest) []byte {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil
	}
	return data
}

// maxDescription is how much of what a process prints is read as JSON.
const maxDescription = 16 << 20

func describeCommand(ctx context.Context, k *kit) error {
	if err := k.needManifest(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, k.o.Timeout)
	defer cancel()
	b, err := k.launch(false, "describe")
	if err != nil {
		return err
	}
	defer b.stop()
	select {
	case <-b.exited:
	case <-ctx.Done():
		return skip("it has no such command (it still ran after %s); the host does not need it", k.o.Timeout)
	}
	b.stopAndRead(k.o.Grace) // its output is complete then
	if !b.cmd.ProcessState.Success() {
		return skip("it has no such command (%s); the host does not need it", b.cmd.ProcessState)
	}
	var d struct{ Name, Version string }
	if err := json.Unmarshal([]byte(b.stdout.String()), &d); err != nil {
		return fmt.Errorf("what it printed is not one JSON object: %w", err)
	}
	if d.Name != k.manifest.GetName() || d.Version != k.manifest.GetVersion() {
		return fmt.Errorf("it printed name %q and version %q, but Describe answered %q and %q", d.Name, d.Version, k.manifest.GetName(), k.manifest.GetVersion())
	}
	return nil
}
