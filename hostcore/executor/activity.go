package executor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/workflows"
)

// ActivityOptions describe one activity that is run on its own.
type ActivityOptions struct {
	Name      string
	TaskQueue string // empty: that of a configured service whose workflow uses the activity, else of any service
	Input     any
	Timeout   time.Duration // of one attempt; default 5 min
}

// Activity runs one activity outside of a workflow, with retries and history,
// and returns its result. The activity is cancelled when ctx ends first.
func (e *Executor) Activity(ctx context.Context, o ActivityOptions) (any, error) {
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Minute
	}
	s, err := e.serviceFor(o)
	if err != nil {
		return nil, err
	}
	c, err := e.clients.For(s.Namespace)
	if err != nil {
		return nil, err
	}
	if err := e.polled(ctx, c, s, enumspb.TASK_QUEUE_TYPE_ACTIVITY); err != nil {
		return nil, err
	}
	var input []any
	if o.Input != nil {
		input = append(input, o.Input)
	}
	h, err := c.ExecuteActivity(ctx, client.StartActivityOptions{
		ID: fmt.Sprintf("manual/%s/%d", o.Name, time.Now().UnixNano()), TaskQueue: s.TaskQueue,
		StartToCloseTimeout: o.Timeout, HeartbeatTimeout: heartbeatTimeout, RetryPolicy: threeAttempts(),
	}, o.Name, input...)
	if err != nil {
		return nil, fmt.Errorf("start activity %s on task queue %s: %w", o.Name, s.TaskQueue, err)
	}
	var result any
	if err := h.Get(ctx, &result); err != nil {
		if ctx.Err() != nil {
			return nil, leave(ctx, h, o.Name)
		}
		return nil, fmt.Errorf("%s: %s", o.Name, Reason(err))
	}
	return result, nil
}

// leave cancels an activity for whose result nobody waits any more.
func leave(ctx context.Context, h client.ActivityHandle, name string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := h.Cancel(ctx, client.CancelActivityOptions{Reason: stopReason}); err != nil {
		return fmt.Errorf("interrupted, and %s goes on: cancel activity %s: %w", name, h.GetID(), err)
	}
	return fmt.Errorf("interrupted: %s was asked to give up (activity %s)", name, h.GetID())
}

// heartbeatTimeout is how long a standalone activity may be silent.
const heartbeatTimeout = 30 * time.Second

// threeAttempts is the retry policy of a standalone activity: 1 s, then 2 s.
func threeAttempts() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{InitialInterval: time.Second, MaximumInterval: 10 * time.Second, MaximumAttempts: 3}
}

// serviceFor finds the service on whose queue an activity is run.
func (e *Executor) serviceFor(o ActivityOptions) (config.Service, error) {
	users := map[string]bool{}
	for _, d := range workflows.All() {
		if slices.Contains(d.Activities, o.Name) || slices.Contains(d.Undo, o.Name) {
			users[d.Name] = true
		}
	}
	var any *config.Service
	for _, name := range slices.Sorted(maps.Keys(e.cfg.Services)) {
		s := e.cfg.Services[name]
		switch {
		case o.TaskQueue != "" && s.TaskQueue == o.TaskQueue:
			return s, nil
		case o.TaskQueue == "" && (users[s.Workflow] || users[s.StopWorkflow]):
			return s, nil
		case any == nil:
			any = &s
		}
	}
	switch {
	case o.TaskQueue != "":
		return config.Service{Name: o.Name, TaskQueue: o.TaskQueue, Namespace: e.cfg.Temporal.Namespace}, nil
	case any != nil:
		return *any, nil
	}
	return config.Service{}, fmt.Errorf("activity %s needs a task queue to run on: no service is configured, so give --task-queue", o.Name)
}
