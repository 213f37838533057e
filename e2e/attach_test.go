package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/orch-host/orch/hostcore/supervisor"
)

// attachGreeter runs the greeter as a developer would, with the word it greets
// with in its configuration.
func attachGreeter(t *testing.T, address string) (*exec.Cmd, *output) {
	t.Helper()
	c := exec.Command(bin("plugins", "greeter"), "attach", address)
	out := &output{}
	c.Stdout, c.Stderr = out, out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, out
}

func TestAHostUsesAPluginThatRunsUnderADebugger(t *testing.T) {
	sockets, err := os.MkdirTemp("/tmp", "orchdev")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(sockets) })
	address := "unix:" + filepath.Join(sockets, "greeter.sock")
	first, said := attachGreeter(t, address)
	t.Cleanup(func() { _ = first.Process.Kill() })
	// The folder has a greeter, too: the attached one takes its place.
	r := newRig(t, []string{bin("plugins", "greeter")}, greeterService+
		fmt.Sprintf("[dev.greeter]\nattach = %q\n[plugins.greeter.config]\ngreeting = \"Attached\"\n", address))
	r.eventually("the plugin says what to write into orch.toml", func() error {
		if !strings.Contains(said.String(), fmt.Sprintf("[dev.greeter]\nattach = %q\n", address)) {
			return errors.New(said.String())
		}
		return nil
	})
	h := r.start()
	greeter := func() supervisor.Status {
		for _, p := range r.pluginList() {
			if p.Name == "greeter" {
				return p
			}
		}
		return supervisor.Status{}
	}
	if p := greeter(); p.State != supervisor.Ready || p.Path != address || p.Pid != 0 {
		t.Fatalf("want it ready at %s and no process of the host's, got %+v", address, p)
	}
	if got := r.runActivity("greet", `{"name": "Ada"}`); got != `{ "message": "Attached, Ada!" }` {
		t.Errorf("got %s", got)
	}

	// The developer stops it and starts a new build.
	if err := first.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := first.Wait(); err != nil {
		t.Errorf("the interrupted plugin: %v\n%s", err, said)
	}
	second, said := attachGreeter(t, address)
	t.Cleanup(func() { _ = second.Process.Kill() })
	r.eventually("the host has found it again", func() error {
		if p := greeter(); p.State != supervisor.Ready || p.Restarts == 0 {
			return fmt.Errorf("%+v", p)
		}
		return nil
	})
	if got := r.runActivity("greet", `{"name": "Bob"}`); got != `{ "message": "Attached, Bob!" }` {
		t.Errorf("got %s", got)
	}

	// The host goes; the plugin stays with its developer.
	if err := h.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-h.done
	if err := second.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the plugin ended with the host: %v\n%s", err, said)
	}
	if err := second.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := second.Wait(); err != nil {
		t.Errorf("the interrupted plugin: %v\n%s", err, said)
	}
}
