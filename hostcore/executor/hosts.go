package executor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/roster"
)

// pollerFresh is how old a poller may be to count: an idle one polls again at
// least once a minute.
const pollerFresh = 70 * time.Second

// HostState is a host as the others see it.
type HostState struct {
	Name     string    `json:"name"`
	Here     bool      `json:"here"` // it has polled for work in the last 70 seconds
	Labels   []string  `json:"labels,omitempty"`
	Services []string  `json:"services"` // those of this configuration that it polls for, or is a member of
	Version  string    `json:"version,omitempty"`
	Seen     time.Time `json:"seen,omitzero"` // when it entered the list of hosts, or renewed its entry
}

// Hosts are those that poll for work, and those on the roster, by name.
func (e *Executor) Hosts(ctx context.Context) ([]HostState, error) {
	found := map[string]*HostState{}
	host := func(name string) *HostState {
		if found[name] == nil {
			found[name] = &HostState{Name: name, Services: []string{}}
		}
		return found[name]
	}
	rosters := map[string][]roster.Entry{}
	for _, name := range slices.Sorted(maps.Keys(e.cfg.Services)) {
		s := e.cfg.Services[name]
		if s.WorkflowType() == "" {
			continue
		}
		c, err := e.clients.For(s.Namespace)
		if err != nil {
			return nil, err
		}
		here, err := polling(ctx, c, s)
		if err != nil {
			return nil, err
		}
		for _, name := range here {
			h := host(name)
			h.Here, h.Services = true, append(h.Services, s.Name)
		}
		entries, asked := rosters[s.Namespace]
		if !asked {
			if entries, err = e.roster(c, s.Namespace).List(ctx); err != nil {
				return nil, err
			}
			rosters[s.Namespace] = entries
		}
		for _, entry := range entries {
			h := host(entry.Name)
			h.Labels, h.Version, h.Seen = entry.Labels, entry.Version, entry.Seen
			if slices.Contains(entry.Queues, s.TaskQueue) && !slices.Contains(here, entry.Name) {
				h.Services = append(h.Services, s.Name)
			}
		}
	}
	var all []HostState
	for _, name := range slices.Sorted(maps.Keys(found)) {
		all = append(all, *found[name])
	}
	return all, nil
}

// Forget takes a host that is gone for good off the roster, so that what runs on
// all hosts no longer waits for it.
func (e *Executor) Forget(ctx context.Context, name string) error {
	hosts, err := e.Hosts(ctx)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(hosts, func(h HostState) bool { return h.Name == name }); i >= 0 && hosts[i].Here {
		return fmt.Errorf("host %s takes work for %s now, or did so a minute ago: stop it first", name, strings.Join(hosts[i].Services, ", "))
	}
	var unknown error
	forgotten := false
	for _, namespace := range e.namespaces() {
		c, err := e.clients.For(namespace)
		if err != nil {
			return err
		}
		err = e.roster(c, namespace).Forget(ctx, name)
		var missing *roster.UnknownError
		switch {
		case errors.As(err, &missing):
			unknown = err
		case err != nil:
			return err
		default:
			forgotten = true
		}
	}
	if !forgotten {
		return unknown
	}
	return nil
}

// namespaces are those of the services.
func (e *Executor) namespaces() []string {
	all := []string{e.cfg.Temporal.Namespace}
	for _, s := range e.cfg.Services {
		all = append(all, s.Namespace)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (e *Executor) roster(c client.Client, namespace string) roster.Roster {
	return roster.Roster{Client: c, Namespace: namespace, Decode: e.clients.Decode}
}

// HostsOf are the names of the hosts that do the work of a service: those that
// have polled its queue lately, and those on the roster with it, sorted.
func (e *Executor) HostsOf(ctx context.Context, s config.Service) ([]string, error) {
	c, err := e.clients.For(s.Namespace)
	if err != nil {
		return nil, err
	}
	hosts, err := polling(ctx, c, s)
	if err != nil {
		return nil, err
	}
	entries, err := e.roster(c, s.Namespace).List(ctx)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if slices.Contains(entry.Queues, s.TaskQueue) {
			hosts = append(hosts, entry.Name)
		}
	}
	if len(hosts) == 0 {
		return nil, fmt.Errorf("no host polls task queue %s", s.TaskQueue)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts), nil
}

// polling are the names of the hosts that have polled a service's queue lately.
func polling(ctx context.Context, c client.Client, s config.Service) ([]string, error) {
	identities, err := pollers(ctx, c, s.Namespace, s.TaskQueue, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
	if err != nil {
		return nil, err
	}
	var hosts []string
	for _, identity := range identities {
		if name, pid, ok := strings.Cut(identity, "/"); ok && pid != "" {
			hosts = append(hosts, name)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts), nil
}

// pollers are the identities of those that have polled a queue lately and have not
// told the server since that they stop.
func pollers(ctx context.Context, c client.Client, namespace, taskQueue string, kind enumspb.TaskQueueType) ([]string, error) {
	d, err := c.WorkflowService().DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
		Namespace: namespace, TaskQueue: &taskqueuepb.TaskQueue{Name: taskQueue}, TaskQueueType: kind,
	})
	if err != nil {
		return nil, fmt.Errorf("who polls task queue %s: %w", taskQueue, err)
	}
	var found []string
	for _, p := range d.GetPollers() {
		if time.Since(p.GetLastAccessTime().AsTime()) < pollerFresh {
			found = append(found, p.GetIdentity())
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	stopped := stoppedWorkers(ctx, c, namespace, taskQueue)
	return slices.DeleteFunc(found, func(identity string) bool { return stopped[identity] }), nil
}

// stoppedWorkers are those of a queue whose last words were that they stop: they
// stay among the pollers for a while. A server that does not keep what workers
// say of themselves tells of none.
func stoppedWorkers(ctx context.Context, c client.Client, namespace, taskQueue string) map[string]bool {
	stopped := map[string]bool{}
	r := &workflowservice.ListWorkersRequest{Namespace: namespace, Query: fmt.Sprintf("TaskQueue = '%s'", strings.ReplaceAll(taskQueue, "'", "''"))}
	for {
		page, err := c.WorkflowService().ListWorkers(ctx, r)
		if err != nil {
			return nil
		}
		for _, w := range page.GetWorkers() {
			gone := w.GetStatus() == enumspb.WORKER_STATUS_SHUTTING_DOWN || w.GetStatus() == enumspb.WORKER_STATUS_SHUTDOWN
			others, known := stopped[w.GetWorkerIdentity()]
			stopped[w.GetWorkerIdentity()] = gone && (others || !known) // a process may have several, one after the other
		}
		if r.NextPageToken = page.GetNextPageToken(); len(r.NextPageToken) == 0 {
			return stopped
		}
	}
}
