package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// oneLine checks that a refusal is one line that says all of the parts.
func oneLine(t *testing.T, o outcome, parts ...string) {
	t.Helper()
	if o.stdout != "" || strings.Count(o.stderr, "\n") != 1 {
		t.Errorf("want one line on stderr, got %v", o)
	}
	for _, p := range parts {
		if !strings.Contains(o.stderr, p) {
			t.Errorf("want %q in it, got %v", p, o)
		}
	}
}

const greeterService = `
[services.{service}]
workflow = "MetricsPipelineWorkflow"
plugins = ["greeter"]
`

func TestCommandsThatCannotWorkSayWhyAndExitWithTheirCode(t *testing.T) {
	r := newRig(t, []string{bin("plugins", "greeter")}, greeterService)

	t.Run("no running host", func(t *testing.T) {
		oneLine(t, r.expect(3, "start", r.service), "no host is running here", r.runtime)
		oneLine(t, r.expect(3, "plugin", "list"), "no host is running here", r.runtime)
	})
	t.Run("no Temporal server in external mode", func(t *testing.T) {
		away := *r
		away.config = filepath.Join(r.dir, "away.toml")
		write(t, away.config, 0o600, fmt.Sprintf("[temporal]\nmode = \"external\"\naddress = \"127.0.0.1:%d\"\n[services.x]\nworkflow = \"X\"\n", freePort(t)))
		oneLine(t, away.expect(3, "start", "x"), "no Temporal server answers at 127.0.0.1:", "temporal.address")
	})
	t.Run("a wrong orch.toml", func(t *testing.T) {
		wrong := *r
		wrong.config = filepath.Join(r.dir, "wrong.toml")
		write(t, wrong.config, 0o600, "[host]\nlog_level = \"info\"\nlog_fromat = \"json\"\n")
		for _, command := range [][]string{{"config", "check"}, {"run"}, {"start", "x"}} {
			o := wrong.expect(2, command...)
			if !strings.Contains(o.stderr, wrong.config+":3") || !strings.Contains(o.stderr, `did you mean "log_format"?`) {
				t.Errorf("want the place and the nearest key, got %v", o)
			}
		}
	})
	t.Run("a service that is not configured, without a host", func(t *testing.T) {
		oneLine(t, r.expect(2, "run", "nothing-like-it"), `there is no service "nothing-like-it"`)
		if left := r.gone(0); len(left) > 0 {
			t.Errorf("a host was started all the same: %v", left)
		}
	})

	r.start()
	t.Run("a service that is not configured, with a host", func(t *testing.T) {
		oneLine(t, r.expect(2, "start", r.service+"x"), fmt.Sprintf("there is no service %q", r.service+"x"), "did you mean "+r.service)
	})
	t.Run("a queue that nobody polls", func(t *testing.T) {
		other := *r
		other.config = filepath.Join(r.dir, "other.toml")
		write(t, other.config, 0o600, fmt.Sprintf("[temporal]\nmode = \"external\"\naddress = \"127.0.0.1:%d\"\n[services.lonely]\nworkflow = \"DatabasePipelineWorkflow\"\n", r.port))
		oneLine(t, other.expect(3, "start", "lonely"), "nobody polls task queue lonely-queue", "task_queue")
		if o := other.expect(0, "status", "lonely", "--json"); !strings.Contains(o.stdout, `"never started"`) {
			t.Errorf("something was started: %v", o)
		}
	})
	t.Run("a result that tells of an error", func(t *testing.T) {
		o := r.expect(1, "start", r.service, "--wait")
		if !strings.Contains(o.stdout, "Error: service_name is required and must be string") {
			t.Errorf("want the result text, got %v", o)
		}
	})
}

func TestAHostEndsOnSIGTERMAndLeavesNothing(t *testing.T) {
	r := newRig(t, []string{bin("plugins", "greeter")}, greeterService)
	h := r.start()
	if len(r.processes()) < 3 {
		t.Fatalf("want host, plugin and Temporal, got %v", r.processes())
	}
	if err := h.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-h.done:
	case <-time.After(45 * time.Second):
		t.Fatal("it still runs after 45 s")
	}
	if code := h.ProcessState.ExitCode(); code != 0 {
		t.Errorf("want exit code 0, got %d", code)
	}
	if left := r.gone(0); len(left) > 0 {
		t.Errorf("processes are left:\n%s", strings.Join(left, "\n"))
	}
	if left, err := os.ReadDir(r.runtime); err != nil || len(left) > 0 {
		t.Errorf("the runtime folder is not empty: %v %v", left, err)
	}
}

func TestASecondHostOnTheSameStateFolderIsRefusedAndTheFirstGoesOn(t *testing.T) {
	r := newRig(t, []string{bin("plugins", "greeter")}, greeterService)
	h := r.start()
	o := r.expect(1, "run")
	if want := fmt.Sprintf("another host (pid %d) already uses the state folder", h.Process.Pid); !strings.Contains(o.stderr, want) {
		t.Errorf("want %q, got %v", want, o)
	}
	if i := r.info(); i.Pid != h.Process.Pid {
		t.Errorf("the first host does not answer any more: %+v", i)
	}
	r.checkSockets(h.Process.Pid, 1)
}

func TestARunWhosePluginCannotBeConfiguredEndsWithTheReason(t *testing.T) {
	r := newRig(t, []string{bin("plugins", "databases")}, `
[plugins.databases.config.neo4j]
password = "env:NOT_SET_ANYWHERE"
[services.{service}]
workflow = "DatabasePipelineWorkflow"
params = { service_name = "{service}" }
`)
	o := r.expect(1, "run", r.service)
	for _, want := range []string{"needs start_neo4j_container", "plugin databases is", "NOT_SET_ANYWHERE"} {
		if !strings.Contains(o.stderr, want) {
			t.Errorf("the error lacks %q: %v", want, o)
		}
	}
}
