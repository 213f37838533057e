package hostcore

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/orch-host/orch/hostcore/admin"
	"github.com/orch-host/orch/hostcore/bridge"
	"github.com/orch-host/orch/hostcore/supervisor"
	"github.com/orch-host/orch/sdk"
)

// backend is the host as the admin API sees it.
type backend Host

var _ admin.Backend = (*backend)(nil)

func (b *backend) Info() admin.Info {
	c := b.cfg
	i := admin.Info{
		Name: c.Host.Name, Version: b.o.Version, Pid: os.Getpid(), Started: b.started, Config: c.Path,
		StateDir: c.Host.StateDir, PluginDir: c.Plugins.Dir,
		Temporal: admin.Temporal{Mode: c.Temporal.Mode, Address: c.Temporal.Address, Namespace: c.Temporal.Namespace, WebUI: c.Temporal.WebUI},
	}
	b.mu.Lock()
	server, clients, temporal := b.admin, b.clients, b.embedded
	b.mu.Unlock()
	if server != nil {
		i.Listen, i.TLS = server.Listen(), c.Host.TLS.CertFile != ""
	}
	if clients != nil {
		i.Temporal.Address = clients.Address()
	}
	if temporal != nil {
		i.Temporal.Pid, i.Temporal.WebUI = temporal.Pid(), temporal.WebUI()
	}
	return i
}

func (b *backend) Ready() admin.Ready {
	h := (*Host)(b)
	var problems []string
	h.mu.Lock()
	for _, part := range slices.Sorted(maps.Keys(h.problems)) {
		problems = append(problems, h.problems[part])
	}
	h.mu.Unlock()
	for _, p := range h.supervisor.List() {
		if p.Error != "" || (p.State != supervisor.Ready && p.State != supervisor.Stopped) {
			name := p.Name
			if name == "" {
				name = p.Path
			}
			problems = append(problems, fmt.Sprintf("plugin %s is %s: %s", name, p.State, p.Error))
		}
	}
	for _, q := range h.queueStates() {
		if q.Error != "" {
			problems = append(problems, fmt.Sprintf("task queue %s is not polled: %s", q.TaskQueue, q.Error))
		}
	}
	return admin.Ready{Ready: len(problems) == 0, Problems: problems}
}

func (b *backend) Queues() []admin.Queue        { return (*Host)(b).queueStates() }
func (b *backend) Attempts() []bridge.Running   { return b.board.List() }
func (b *backend) Events() []supervisor.Event   { return b.events.list() }
func (b *backend) Plugins() []supervisor.Status { return b.supervisor.List() }

func (b *backend) Manifest(name string) ([]byte, error) {
	i, err := b.supervisor.Instance(name)
	if err != nil {
		return nil, err
	}
	return sdk.DescribeJSON(i.Manifest)
}

func (b *backend) Reload(name string) []supervisor.Result {
	_ = (*Host)(b).loadPipelines() // what is wrong is noted for Ready
	return (*Host)(b).reload(context.Background(), name)
}

func (b *backend) Rollback(name string) (supervisor.Result, error) {
	return b.supervisor.Rollback(context.Background(), name)
}

// maxEvents is how many changes of plugins are kept in memory.
const maxEvents = 1000

// eventLog keeps the latest changes of plugins.
type eventLog struct {
	mu     sync.Mutex
	events []supervisor.Event
}

func newEventLog() *eventLog { return &eventLog{} }

func (l *eventLog) add(e supervisor.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
	if len(l.events) > maxEvents {
		l.events = l.events[len(l.events)-maxEvents:]
	}
}

func (l *eventLog) list() []supervisor.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]supervisor.Event(nil), l.events...)
}
