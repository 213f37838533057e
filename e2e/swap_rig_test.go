package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/orch-host/orch/bench/load"
	"github.com/orch-host/orch/hostcore/supervisor"
)

const loadService = `
[services.{service}]
workflow = "NobodysWorkflow"
plugins = ["load"]
max_concurrency = 500
`

// loadPlugin is the plugin of package load, built once.
func loadPlugin(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(built, "load")
	if _, err := os.Stat(path); err != nil {
		if err := load.Build(t.Context(), "..", path); err != nil {
			t.Fatal(err)
		}
	}
	binary, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

func variant(t *testing.T, id load.Identity) []byte {
	t.Helper()
	b, err := load.Variant(loadPlugin(t), id)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// put installs a variant of the load plugin under a file name.
func (r *rig) put(file string, binary []byte) {
	r.t.Helper()
	if err := load.Install(filepath.Join(r.plugins, file), binary); err != nil {
		r.t.Fatal(err)
	}
}

// plugin is how a plugin stands; the zero value when it is not listed.
func (r *rig) plugin(name string) supervisor.Status {
	r.t.Helper()
	list, err := r.admin().Plugins(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, p := range list {
		if p.Name == name {
			return p
		}
	}
	return supervisor.Status{}
}

// until waits for a plugin to stand as wanted.
func (r *rig) until(what, name string, want func(supervisor.Status) bool) supervisor.Status {
	r.t.Helper()
	var p supervisor.Status
	r.eventually(what, func() error {
		if p = r.plugin(name); !want(p) {
			return fmt.Errorf("it is %+v", p)
		}
		return nil
	})
	return p
}

func serves(version string) func(supervisor.Status) bool {
	return func(p supervisor.Status) bool { return p.State == supervisor.Ready && p.Version == version }
}

// worked is the answer of the load plugin's "work".
type worked struct {
	Square  int
	Version string
	Pid     int
}

// attemptWork calls an activity of the load plugin with a single attempt.
func attemptWork(ctx workflow.Context, queue, activity string, millis int) (worked, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: queue, StartToCloseTimeout: 2 * time.Minute, HeartbeatTimeout: 30 * time.Second,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
	})
	var out worked
	err := workflow.ExecuteActivity(ctx, activity, map[string]int{"n": 12, "millis": millis}).Get(ctx, &out)
	return out, err
}

// work runs the activity once and wants it right.
func (r *rig) work(c client.Client, activity string) worked {
	r.t.Helper()
	var out worked
	if err := caller(r.t, r, c, attemptWork, &out, r.service+"-queue", activity, 1); err != nil {
		r.t.Fatalf("activity %s: %v", activity, err)
	}
	if out.Square != 144 {
		r.t.Errorf("activity %s answered %+v", activity, out)
	}
	return out
}

// steady calls "work" without pause until stop, and returns how often; every
// attempt has to succeed.
func (r *rig) steady(c client.Client) (stop func() int) {
	r.t.Helper()
	type end struct {
		n   int
		err error
	}
	over, ended := make(chan struct{}), make(chan end, 1)
	go func() {
		n := 0
		for {
			select {
			case <-over:
				ended <- end{n: n}
				return
			default:
			}
			run, err := c.ExecuteWorkflow(r.t.Context(), client.StartWorkflowOptions{TaskQueue: r.service + "-steady"}, attemptWork, r.service+"-queue", "work", 50)
			var out worked
			if err == nil {
				err = run.Get(r.t.Context(), &out)
			}
			if err == nil && out.Square != 144 {
				err = fmt.Errorf("wrong answer %+v", out)
			}
			if err != nil {
				ended <- end{n, err}
				return
			}
			n++
		}
	}()
	return func() int {
		r.t.Helper()
		close(over)
		e := <-ended
		if e.err != nil {
			r.t.Errorf("activity %d failed: %v", e.n, e.err)
		} else if e.n == 0 {
			r.t.Error(errors.New("no activity ran meanwhile"))
		}
		return e.n
	}
}

func (r *rig) remove(file string) {
	r.t.Helper()
	if err := os.Remove(filepath.Join(r.plugins, file)); err != nil {
		r.t.Fatal(err)
	}
}

// event is the latest change of the load plugin of a kind, from a version.
func (r *rig) event(kind, oldVersion string) supervisor.Event {
	r.t.Helper()
	events, err := r.admin().Events(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	var found supervisor.Event
	for _, e := range events {
		if e.Plugin == "load" && e.Kind == kind && e.OldVersion == oldVersion {
			found = e
		}
	}
	if found.Kind == "" {
		r.t.Fatalf("no event %s of version %s in %+v", kind, oldVersion, events)
	}
	return found
}

// setPlugins replaces or adds a line of [plugins] in the rig's configuration.
func (r *rig) setPlugins(line string) {
	r.t.Helper()
	text, err := os.ReadFile(r.config)
	if err != nil {
		r.t.Fatal(err)
	}
	key, _, _ := strings.Cut(line, " ")
	var kept []string
	for l := range strings.Lines(string(text)) {
		if !strings.HasPrefix(l, key+" ") {
			kept = append(kept, l)
		}
	}
	write(r.t, r.config, 0o600, strings.Replace(strings.Join(kept, ""), "[plugins]\n", "[plugins]\n"+line+"\n", 1))
}

// externalConfig is that of a host on the Temporal server of another.
func externalConfig(r, server *rig) string {
	return fmt.Sprintf(`
[host]
state_dir = %q
runtime_dir = %q
listen = "127.0.0.1:0"
stop_grace = "5s"

[temporal]
mode = "external"
address = "127.0.0.1:%d"

[plugins]
dir = %q
mode = "off"
grace = "2s"
`, filepath.Join(r.dir, "state"), r.runtime, server.port, r.plugins)
}

func replaceService(toml, service string) string {
	return strings.ReplaceAll(toml, "{service}", service)
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
