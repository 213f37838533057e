package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orch-host/orch/hostcore/supervisor"
)

func (r *rig) pluginList() []supervisor.Status {
	r.t.Helper()
	return lastJSON[[]supervisor.Status](r.t, r.expect(0, "plugin", "list", "--json").stdout)
}

func TestBadPluginsAreNamedAndTheGoodOnesServe(t *testing.T) {
	greeter := bin("plugins", "greeter")
	r := newRig(t, []string{greeter, filepath.Join(built, "chatty")}, `
[services.{service}]
workflow = "NobodysWorkflow"
plugins = ["greeter"]
`)
	binary, err := os.ReadFile(greeter)
	if err != nil {
		t.Fatal(err)
	}
	bad := []struct {
		file, what string
		mode       os.FileMode
		content    string
		want       string // part of the error
	}{
		{"hangs", "hangs in the handshake", 0o755, "#!/bin/sh\nexec sleep 600\n", "10s"},
		{"exits", "exits at once", 0o755, "#!/bin/sh\necho no licence found >&2\nexit 3\n", "no licence found"},
		{"locked", "is not executable", 0o644, string(binary), "chmod"},
		{"half", "is half written", 0o755, string(binary[:len(binary)/3]), "half"},
		{"script", "is a script and no plugin", 0o755, "#!/bin/sh\necho hello world\n", "exit"},
		{"letter", "is text and no program", 0o755, "Dear host,\n", ""},
		{"garbled", "answers the handshake with nonsense", 0o755, "#!/bin/sh\necho hello >&$ORCH_HANDSHAKE_FD\nexec sleep 600\n", "hello"},
		{"liar", "announces a socket of somebody else on stdout", 0o755, "#!/bin/sh\necho '1|1|unix|/nowhere|grpc|'\nexec sleep 600\n", "/nowhere"},
		{"parent", "leaves a child that holds its stderr", 0o755, "#!/bin/sh\nsleep 600 &\necho parent goes >&2\nexit 1\n", "parent goes"},
	}
	for _, b := range bad {
		write(t, filepath.Join(r.plugins, b.file), b.mode, b.content)
	}
	h := r.start()

	byFile := func() map[string]supervisor.Status {
		all := map[string]supervisor.Status{}
		for _, p := range r.pluginList() {
			all[filepath.Base(p.Path)] = p
		}
		return all
	}
	listed := byFile()
	for _, b := range bad {
		t.Run("a file that "+b.what, func(t *testing.T) {
			p, ok := listed[b.file]
			if !ok || p.Error == "" || p.Pid != 0 {
				t.Fatalf("want %s with an error, got %+v", b.file, p)
			}
			t.Logf("%s: %s", p.State, p.Error)
			if !strings.Contains(p.Error, b.want) {
				t.Errorf("want an error that says %q, got %q", b.want, p.Error)
			}
		})
	}
	t.Run("a plugin that prints to stdout before it serves is a good one", func(t *testing.T) {
		if p := listed["chatty"]; p.State != supervisor.Ready || p.Error != "" {
			t.Errorf("want it ready, got %+v", p)
		}
	})
	t.Run("a plugin that offers a taken name gets nothing and names the owner", func(t *testing.T) {
		install(t, filepath.Join(built, "taken"), filepath.Join(r.plugins, "taken"))
		var p supervisor.Status
		r.eventually("it is looked at", func() error {
			if p = byFile()["taken"]; p.Error == "" {
				return errors.New("it is not listed with an error")
			}
			return nil
		})
		want := fmt.Sprintf("activity %q is already offered by plugin greeter from %s", "greet", filepath.Join(r.plugins, "greeter"))
		if !strings.Contains(p.Error, want) || p.State == supervisor.Ready {
			t.Errorf("want %q, got %+v", want, p)
		}
	})
	t.Run("the good one serves in the same host", func(t *testing.T) {
		input := filepath.Join(r.dir, "input.json")
		write(t, input, 0o600, `{"name": "World"}`)
		o := r.expect(0, "activity", "run", "greet", "--task-queue", r.service+"-queue", "--input", input)
		if got := lastJSON[map[string]string](t, o.stdout)["message"]; got != "Hello, World!" {
			t.Errorf("got %q", got)
		}
		if pid := r.info().Pid; pid != h.Process.Pid {
			t.Errorf("the host is process %d, was %d", pid, h.Process.Pid)
		}
	})
	t.Run("nothing that a refused file started is left", func(t *testing.T) {
		r.eventually("it is gone", func() error {
			for _, p := range r.processes() {
				if strings.Contains(p, "sleep") {
					return errors.New(p)
				}
			}
			return nil
		})
	})
}
