package hostcore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/admin"
	"github.com/orch-host/orch/hostcore/bridge"
	"github.com/orch-host/orch/hostcore/pipeline"
	"github.com/orch-host/orch/hostcore/supervisor"
	"github.com/orch-host/orch/hostcore/workflows"
)

// service is a configured service with its open queue.
type service struct {
	config.Service
	queue *bridge.Queue
}

// openQueues polls the task queue of every service.
func (h *Host) openQueues(ctx context.Context) error {
	b := bridge.New(bridge.Options{
		Router: h.router, Board: h.board, Logger: h.o.Logger, Expected: h.expected, Grace: h.cfg.Plugins.Grace,
		Metrics: h.telemetry.bridge, Lease: h.clients.Lease,
		Limit: func(group string) int { return h.cfg.Plugins.Groups[group].MaxConcurrent },
	})
	for _, name := range slices.Sorted(maps.Keys(h.cfg.Services)) {
		s := h.cfg.Services[name]
		if s.WorkflowType() == "" {
			continue // it only starts others
		}
		c, err := h.clients.For(s.Namespace)
		if err != nil {
			return err
		}
		queue := bridge.QueueOptions{
			Service: name, TaskQueue: s.TaskQueue, Client: c, MaxConcurrency: s.MaxConcurrency, Identity: h.identity(),
			Missing: h.missing(s), Limits: h.limits(b, s), StopTimeout: h.cfg.Host.StopGrace,
		}
		if target := h.placed(s); target != "" {
			queue.TaskQueue = workflows.PlacedQueue(s.TaskQueue, target)
			if err := h.open(ctx, b, s, queue); err != nil {
				return err
			}
			queue.TaskQueue = s.TaskQueue
		}
		placement := h.placement(s)
		queue.Interceptors = []interceptor.WorkerInterceptor{placement.Interceptor()}
		queue.Register = func(r worker.Registry) {
			h.register(r, s)
			placement.Register(r)
		}
		if err := h.open(ctx, b, s, queue); err != nil {
			return err
		}
	}
	return nil
}

func (h *Host) open(ctx context.Context, b *bridge.Bridge, s config.Service, o bridge.QueueOptions) error {
	q, err := b.Open(context.WithoutCancel(ctx), o)
	if err != nil {
		return fmt.Errorf("service %s: %w", s.Name, err)
	}
	s.TaskQueue = o.TaskQueue
	h.mu.Lock()
	h.queues = append(h.queues, &service{s, q})
	h.mu.Unlock()
	return nil
}

// register puts the workflows on the worker of a service.
func (h *Host) register(r worker.Registry, s config.Service) {
	folder, _ := s.Params["context"].(string)
	workflows.Register(r, workflows.Options{
		ChatContext: folder,
		Stopping:    func(ctx context.Context, id string) (bool, error) { return h.Executor().Stopping(ctx, s.Namespace, id) },
	})
	pipeline.Register(r, h.pipelines, pipeline.Options{IsFailure: workflows.IsFailure})
}

// loadPipelines reads the declared pipelines; what is wrong with one does not
// take the others away.
func (h *Host) loadPipelines() error {
	o := pipeline.LoadOptions{}
	if h.pipelines == nil {
		set, err := pipeline.Load(h.cfg.Host.Pipelines, o)
		var problems pipeline.Problems
		if err != nil && !errors.As(err, &problems) {
			return err
		}
		h.pipelines = pipeline.NewRegistry(set)
		h.notePipelines(err)
		return nil
	}
	h.notePipelines(h.pipelines.Reload(h.cfg.Host.Pipelines, o))
	return nil
}

// notePipelines keeps what is wrong with the declared pipelines for Ready.
func (h *Host) notePipelines(err error) {
	h.note("pipelines", "")
	if err != nil {
		h.note("pipelines", err.Error())
		h.o.Logger.Warn("a declared pipeline cannot be used", "dir", h.cfg.Host.Pipelines, "error", err)
	}
}

// replaceTime is how long a plugin that was taken out of the folder may be on
// its way back, as when a file is removed and then copied anew. A task that was
// polled just then waits that long.
const replaceTime = 30 * time.Second

// expected says whether a plugin that is away offers the activity.
func (h *Host) expected(activity string) bool {
	for _, p := range h.supervisor.List() {
		away := p.State != supervisor.Stopped || time.Since(p.Withdrawn) < replaceTime
		if away && slices.Contains(p.Activities, activity) {
			return true
		}
	}
	return false
}

// missing makes the function that lists what a service still needs: the plugin
// groups that it names, else the activities of its workflows.
func (h *Host) missing(s config.Service) func() []string {
	if len(s.Plugins) > 0 {
		return func() []string {
			var missing []string
			for _, group := range s.Plugins {
				if !h.router.Offers(group) {
					missing = append(missing, "plugin group "+group)
				}
			}
			return missing
		}
	}
	needs := activitiesOf(s.Workflow, s.StopWorkflow)
	return func() []string {
		if s.Pipeline != "" {
			return h.router.Missing(append(h.pipelines.Current().Activities(s.Pipeline), needs...))
		}
		return h.router.Missing(needs)
	}
}

// limits makes the function that lists the limits of the plugins that a service
// needs.
func (h *Host) limits(b *bridge.Bridge, s config.Service) func() []bridge.Limit {
	needs := activitiesOf(s.Workflow, s.StopWorkflow)
	return func() []bridge.Limit {
		activities := needs
		switch {
		case len(s.Plugins) > 0:
			activities = h.router.Activities()
		case s.Pipeline != "":
			activities = append(h.pipelines.Current().Activities(s.Pipeline), needs...)
		}
		var all []bridge.Limit
		for _, name := range activities {
			route, ok := h.router.Lookup(name)
			if !ok || (len(s.Plugins) > 0 && !slices.Contains(s.Plugins, route.Instance.Manifest.GetGroup())) {
				continue
			}
			for _, l := range b.Limits(route) {
				if !slices.Contains(all, l) {
					all = append(all, l)
				}
			}
		}
		return all
	}
}

// activitiesOf lists what the workflows call, children included.
func activitiesOf(types ...string) []string {
	var needs []string
	for _, d := range workflows.All() {
		if slices.Contains(types, d.Name) {
			needs = append(needs, d.Activities...)
			needs = append(needs, activitiesOf(d.Children...)...)
		}
	}
	slices.Sort(needs)
	return slices.Compact(needs)
}

// closeQueues ends all polling at once and waits for what runs.
func (h *Host) closeQueues() {
	h.mu.Lock()
	queues := h.queues
	h.queues = nil
	h.mu.Unlock()
	var wg sync.WaitGroup
	for _, s := range queues {
		wg.Go(s.queue.Stop)
	}
	wg.Wait()
}

func (h *Host) queueStates() []admin.Queue {
	h.mu.Lock()
	queues := h.queues
	h.mu.Unlock()
	var states []admin.Queue
	for _, s := range queues {
		q := admin.Queue{Service: s.Name, TaskQueue: s.TaskQueue, Workflow: s.WorkflowType(), Missing: s.queue.Missing()}
		if err := s.queue.Fault(); err != nil {
			q.Error = err.Error()
		}
		q.Ready = len(q.Missing) == 0 && q.Error == ""
		states = append(states, q)
	}
	return states
}
