package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orch-host/orch/hostcore/pluginlog"
)

// buildFrozen makes the plugin that knows only the first wire contract.
func buildFrozen(t *testing.T) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "frozen")
	c := exec.Command("go", "build", "-trimpath", "-o", to, ".")
	c.Dir = "../sdk/pluginv1/testdata/frozen-v1"
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build the frozen plugin: %v\n%s", err, out)
	}
	return to
}

// buildPython makes the Python example, or skips the test.
func buildPython(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		path, err := exec.LookPath(name)
		if err != nil || exec.Command(path, "-c", "import grpc, google.protobuf").Run() != nil {
			continue
		}
		to := filepath.Join(t.TempDir(), "greeter-python")
		if out, err := exec.Command("make", "-C", "../examples/greeter-python", "build", "PYTHON="+path, "OUT="+to).CombinedOutput(); err != nil {
			t.Fatalf("build the Python example: %v\n%s", err, out)
		}
		return to
	}
	t.Skip("python3-grpcio not available: apt-get install python3-grpcio python3-protobuf")
	return ""
}

// runActivity runs one through Temporal and the host.
func (r *rig) runActivity(name, input string) string {
	r.t.Helper()
	file := filepath.Join(r.dir, name+".json")
	write(r.t, file, 0o600, input)
	o := r.expect(0, "activity", "run", name, "--task-queue", r.service+"-queue", "--input", file)
	return words(o.stdout)
}

func TestAPluginOfTheFirstWireContractRunsOnThisHost(t *testing.T) {
	r := newRig(t, []string{buildFrozen(t)}, strings.ReplaceAll(greeterService, "greeter", "frozen"))
	r.start()
	if got := r.runActivity("frozen_echo", `{"text": "ice"}`); got != `{ "text": "ice" }` {
		t.Errorf("got %s", got)
	}
}

func TestAPythonPluginRunsOnThisHost(t *testing.T) {
	r := newRig(t, []string{buildPython(t)}, strings.ReplaceAll(greeterService, "greeter", "greeter-python")+
		"[plugins.greeter-python.config]\ngreeting = \"Hei\"\n")
	r.start()
	if got := r.runActivity("greet_in_python", `{"name": "Ada"}`); got != `{ "message": "Hei, Ada!" }` {
		t.Errorf("got %s", got)
	}
	if got := r.runActivity("greet_all_in_python", `{"names": ["Ada", "Bob"], "pause": 0.1}`); got != `{ "messages": [ "Hei, Ada!", "Hei, Bob!" ] }` {
		t.Errorf("got %s", got)
	}
}

func TestThePluginCommandsShowLogsAndDocsOfARunningPlugin(t *testing.T) {
	r := newRig(t, []string{bin("plugins", "greeter"), filepath.Join(built, "chatty")}, greeterService)
	r.start()
	if got := r.runActivity("greet", `{"name": "Ada"}`); got != `{ "message": "Hello, Ada!" }` {
		t.Fatalf("got %s", got)
	}

	t.Run("logs have what an activity logged, with its fields", func(t *testing.T) {
		r.eventually("the line is there", func() error {
			o := r.expect(0, "plugin", "logs", "greeter", "--json")
			for text := range strings.Lines(o.stdout) {
				var l pluginlog.Line
				if err := json.Unmarshal([]byte(text), &l); err != nil {
					t.Fatalf("not one object a line: %v\n%s", err, o.stdout)
				}
				if l.Message == "greeting" && l.Fields["name"] == "Ada" && l.Fields["activity"] == "greet" {
					return nil
				}
			}
			return os.ErrNotExist
		})
	})
	t.Run("logs have what a plugin prints, and no more than is asked for", func(t *testing.T) {
		if o := r.expect(0, "plugin", "logs", "chatty"); !strings.Contains(o.stdout, "starting up | this is no handshake") {
			t.Errorf("got %v", o)
		}
		if o := r.expect(0, "plugin", "logs", "chatty", "-n", "1"); strings.Count(o.stdout, "\n") != 1 {
			t.Errorf("want one line, got %v", o)
		}
	})
	t.Run("logs go on while they are followed", func(t *testing.T) {
		c := r.command("plugin", "logs", "greeter", "--follow", "-n", "1")
		out := &output{}
		c.Stdout = out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			_ = c.Process.Signal(os.Interrupt)
			if err := c.Wait(); err != nil {
				t.Errorf("Ctrl-C is how following ends, got %v", err)
			}
		}()
		r.eventually("the first line comes", func() error {
			if out.String() == "" {
				return os.ErrNotExist
			}
			return nil
		})
		r.runActivity("greet", `{"name": "Follower"}`)
		r.eventually("the new line comes", func() error {
			if !strings.Contains(out.String(), "name=Follower") {
				return os.ErrNotExist
			}
			return nil
		})
	})
	t.Run("a name that nobody has is refused", func(t *testing.T) {
		oneLine(t, r.expect(1, "plugin", "logs", "nobody"), `plugin "nobody"`, "host plugin list")
		oneLine(t, r.expect(1, "plugin", "docs", "nobody"), `plugin "nobody"`, "host plugin list", "./nobody")
	})
	t.Run("docs of a running plugin are those of its binary", func(t *testing.T) {
		byName := r.expect(0, "plugin", "docs", "greeter")
		byFile := r.expect(0, "plugin", "docs", bin("plugins", "greeter"))
		if byName.stdout != byFile.stdout || !strings.HasPrefix(byName.stdout, "# greeter 1.0.0\n") {
			t.Errorf("by name:\n%s\nby file:\n%s", byName.stdout, byFile.stdout)
		}
	})
}
