package supervisor

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/hostcore/plugin/plugintest"
	"github.com/orch-host/orch/hostcore/router"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// conduct is how the processes of a binary behave.
type conduct struct {
	launch     error         // it cannot be started
	neverReady bool          // it is started and never gets ready
	crashAfter time.Duration // it crashes this long after its start
}

// world is a plugin folder in memory with the processes that came of it.
type world struct {
	*Supervisor
	t      *testing.T
	routes *router.Router
	groups map[string]Group

	mu       sync.Mutex
	binaries []plugin.Binary
	refusals []Refusal
	conducts map[string]conduct
	starts   []start
	procs    []*plugintest.Process
	events   []Event
}

type start struct {
	digest string
	at     time.Time
}

// play runs a test in a bubble where time passes by itself, and checks that
// nothing is left of it.
func play(t *testing.T, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, routes: router.New(), groups: map[string]Group{}, conducts: map[string]conduct{}}
		w.start("")
		test(t, w)
		w.Stop()
		for _, p := range w.procs {
			if p.Running() {
				t.Error("a process is left")
			}
		}
	})
}

// start makes the supervisor of a host that keeps its quarantine in the file.
func (w *world) start(quarantineFile string) {
	w.Supervisor = New(Options{Finder: w, Launcher: w, Router: w.routes, Logger: slog.New(slog.DiscardHandler), QuarantineFile: quarantineFile,
		Group: func(name string) Group { return w.groups[name] },
		Event: func(e Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
		}})
}

// restart stops the host and starts another one on the same folders.
func (w *world) restart() []Result {
	file := w.o.QuarantineFile
	w.Stop()
	w.start(file)
	return w.Reload(context.Background(), "")
}

// Find implements Finder.
func (w *world) Find(context.Context) ([]plugin.Binary, []Refusal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.binaries), slices.Clone(w.refusals)
}

// Launch implements Launcher.
func (w *world) Launch(ctx context.Context, b plugin.Binary) (*plugin.Instance, error) {
	w.mu.Lock()
	w.starts = append(w.starts, start{b.Digest, time.Now()})
	c := w.conducts[b.Digest]
	w.mu.Unlock()
	if c.launch != nil {
		return nil, c.launch
	}
	p, err := plugintest.Start(plugintest.NewServer(b.Manifest))
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.procs = append(w.procs, p)
	w.mu.Unlock()
	if c.crashAfter > 0 {
		time.AfterFunc(c.crashAfter, p.Crash)
	}
	return plugin.Connect(ctx, p, b)
}

// Configure implements Launcher.
func (w *world) Configure(ctx context.Context, i *plugin.Instance) error {
	w.mu.Lock()
	c := w.conducts[i.Digest]
	w.mu.Unlock()
	if c.neverReady {
		<-ctx.Done()
		return ctx.Err()
	}
	return i.AwaitReady(ctx)
}

// binary is the file of one plugin version; its digest is "name-version".
func binary(name, version string, activities ...string) plugin.Binary {
	return plugin.Binary{Source: "/plugins/" + name + "-" + version, Digest: name + "-" + version, Manifest: plugintest.Manifest(name, version, activities...)}
}

// put makes the folder hold these files, and tells the supervisor.
func (w *world) put(binaries ...plugin.Binary) []Result {
	w.mu.Lock()
	w.binaries = binaries
	w.mu.Unlock()
	return w.Reload(context.Background(), "")
}

func (w *world) behave(digest string, c conduct) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conducts[digest] = c
}

// status is how a plugin stands once nothing moves any more at this moment.
func (w *world) status(name string) Status {
	w.t.Helper()
	synctest.Wait()
	for _, s := range w.List() {
		if s.Name == name {
			return s
		}
	}
	w.t.Fatalf("there is no plugin %s", name)
	return Status{}
}

// serving is the version behind an activity; empty when there is none.
func (w *world) serving(activity string) string {
	synctest.Wait()
	route, ok := w.routes.Lookup(activity)
	if !ok {
		return ""
	}
	return route.Instance.Manifest.GetVersion()
}

// process is the latest process of a digest.
func (w *world) process(digest string) *plugintest.Process {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range slices.Backward(w.procs) {
		if m := p.Server.Manifest; digest == m.GetName()+"-"+m.GetVersion() {
			return p
		}
	}
	w.t.Fatalf("no process of %s", digest)
	return nil
}

// kinds lists what happened.
func (w *world) kinds() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var kinds []string
	for _, e := range w.events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// count is how often a digest was started.
func (w *world) count(digest string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, s := range w.starts {
		if s.digest == digest {
			n++
		}
	}
	return n
}
