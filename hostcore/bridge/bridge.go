package bridge

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/hostcore/router"
	"github.com/orch-host/orch/sdk/pluginv1"
)

// Options are the parts of a bridge.
type Options struct {
	Router *router.Router
	Board  *Board
	Logger *slog.Logger
	// Metrics count the attempts; nil: nothing is counted.
	Metrics *Metrics
	// Seats and Limit bound how many attempts run at once in a plugin. Limit is
	// the configured one of a plugin's group; 0 or nil: none.
	Seats *Seats
	Limit func(group string) int
	// Expected says whether some plugin that is not ready now offers the
	// activity, so that waiting for it makes sense. Nil: never.
	Expected func(activity string) bool
	// AwaitRoute is how long an attempt waits for an expected plugin. Default 30 s.
	AwaitRoute time.Duration
	// Grace is how long a cancelled attempt may clean up. Default 10 s.
	Grace time.Duration
	// Lease tells, by the task token of an attempt, when the server gives it to
	// somebody else because it has not heard from this host for the heartbeat
	// timeout; ok is false when it expects no heartbeats. Nil: never.
	Lease func(token []byte) (end time.Time, timeout time.Duration, ok bool)
}

// Bridge hands activity attempts to plugins.
type Bridge struct{ o Options }

// New makes a bridge.
func New(o Options) *Bridge {
	if o.AwaitRoute <= 0 {
		o.AwaitRoute = 30 * time.Second
	}
	if o.Grace <= 0 {
		o.Grace = 10 * time.Second
	}
	if o.Expected == nil {
		o.Expected = func(string) bool { return false }
	}
	if o.Seats == nil {
		o.Seats = NewSeats()
	}
	if o.Limit == nil {
		o.Limit = func(string) int { return 0 }
	}
	if o.Lease == nil {
		o.Lease = func([]byte) (time.Time, time.Duration, bool) { return time.Time{}, 0, false }
	}
	if o.Board == nil {
		o.Board = NewBoard()
	}
	return &Bridge{o: o}
}

// handler is the dynamic activity of one queue. When the queue is stopped,
// attempts have until finish before they are asked to give up.
func (b *Bridge) handler(service string, stopping <-chan struct{}, finish time.Duration) func(context.Context, converter.EncodedValues) (converter.RawValue, error) {
	return func(ctx context.Context, args converter.EncodedValues) (converter.RawValue, error) {
		out, err := b.execute(ctx, service, stopping, finish, args)
		if err != nil {
			return converter.RawValue{}, err
		}
		return converter.NewRawValue(out), nil
	}
}

func (b *Bridge) execute(ctx context.Context, service string, stopping <-chan struct{}, finish time.Duration, args converter.EncodedValues) (*commonpb.Payload, error) {
	info := activity.GetInfo(ctx)
	name := info.ActivityType.Name
	input, err := rawPayloads(args)
	if err != nil {
		return nil, temporal.NewNonRetryableApplicationError("the activity's arguments cannot be decoded: "+err.Error(), typeUndecodable, err)
	}
	asked := time.Now()
	route, limits, err := b.seat(ctx, stopping, name)
	b.o.Metrics.waited(service, name, asked)
	if err != nil {
		return nil, err
	}
	defer b.o.Seats.free(limits)
	defer route.Instance.Release()
	a := newAttempt(ctx, b, service, info, route.Instance)
	b.o.Board.add(a)
	defer b.o.Board.remove(a)
	soft, stop := softContext(ctx, stopping, finish)
	defer stop(nil)
	go b.watchLease(soft, info.TaskToken, stop)
	out, err := b.attempt(ctx, soft, a, input)
	b.o.Metrics.ran(a, err)
	return out, err
}

// attempt runs one attempt in its plugin, which is asked to give up when soft is
// done.
func (b *Bridge) attempt(ctx, soft context.Context, a *attempt, input []*pluginv1.Payload) (*commonpb.Payload, error) {
	info, name := a.info, a.info.ActivityType.Name
	start := &pluginv1.Start{
		Activity: name, Input: input, LastHeartbeat: a.lastHeartbeat(), Carrier: a.carrier(),
		IdempotencyKey: info.WorkflowExecution.RunID + "/" + info.ActivityID,
		Info: &pluginv1.Info{
			WorkflowId: info.WorkflowExecution.ID, RunId: info.WorkflowExecution.RunID, ActivityId: info.ActivityID,
			Attempt: info.Attempt, TaskQueue: info.TaskQueue, Namespace: info.Namespace, Service: a.service,
			HeartbeatTimeout: durationpb.New(info.HeartbeatTimeout),
		},
	}
	if info.WorkflowType != nil {
		start.Info.WorkflowType = info.WorkflowType.Name
	}
	if !info.Deadline.IsZero() {
		start.Info.Remaining = durationpb.New(time.Until(info.Deadline))
	}
	why := func() (pluginv1.Cancel_Reason, time.Duration) {
		if lost := lostLease(soft); lost != nil {
			return pluginv1.Cancel_TIMEOUT, min(b.o.Grace, time.Until(lost.end))
		}
		return cancelReason(ctx), b.o.Grace
	}
	result, err := a.instance.Execute(context.WithoutCancel(ctx), soft, start, why, a)
	if err != nil {
		a.lastBeat()
		return nil, a.verdict(ctx, soft, err)
	}
	if len(result.GetOutput()) == 0 {
		return &commonpb.Payload{Metadata: map[string][]byte{converter.MetadataEncoding: []byte(converter.MetadataEncodingNil)}}, nil
	}
	out := result.GetOutput()[0]
	if n := len(out.GetData()); n > maxResult {
		return nil, tooLarge(name, n)
	}
	return &commonpb.Payload{Metadata: out.GetMetadata(), Data: out.GetData()}, nil
}

// cancelWhenStopping ends a wait when the queue is stopped: another host may have
// the plugin.
func cancelWhenStopping(ctx context.Context, stopping <-chan struct{}, cancel context.CancelFunc) {
	go func() {
		select {
		case <-stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
}

// softContext ends when the attempt should clean up: it was cancelled, its time
// is over, or the queue has been stopping for as long as finish. A worker that
// stops because another one takes its place ends nothing.
func softContext(ctx context.Context, stopping <-chan struct{}, finish time.Duration) (context.Context, context.CancelCauseFunc) {
	soft, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-stopping:
		case <-soft.Done():
			return
		}
		timer := time.NewTimer(finish)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel(nil)
		case <-soft.Done():
		}
	}()
	return soft, cancel
}

// cancelReason tells the plugin why.
func cancelReason(ctx context.Context) pluginv1.Cancel_Reason {
	switch cause := context.Cause(ctx); {
	case cause == nil:
		return pluginv1.Cancel_WORKER_STOP
	case errors.Is(cause, worker.ErrWorkerShutdown):
		return pluginv1.Cancel_WORKER_STOP
	case errors.Is(cause, activity.ErrActivityPaused):
		return pluginv1.Cancel_PAUSED
	case errors.Is(cause, context.DeadlineExceeded):
		return pluginv1.Cancel_TIMEOUT
	}
	return pluginv1.Cancel_REQUESTED
}

// seat finds the plugin and waits until it may run one more attempt.
func (b *Bridge) seat(ctx context.Context, stopping <-chan struct{}, name string) (router.Route, []Limit, error) {
	route, err := b.acquire(ctx, stopping, name)
	if err != nil {
		return route, nil, err
	}
	limits := b.limits(route)
	if ok, _ := b.o.Seats.tryTake(limits); ok {
		return route, limits, nil
	}
	route.Instance.Release() // a wait must not hold up a drain
	stop := beat(ctx)
	wait, cancel := context.WithCancel(ctx)
	cancelWhenStopping(wait, stopping, cancel)
	err = b.o.Seats.take(wait, limits)
	cancel()
	stop()
	if err != nil {
		if ctx.Err() != nil && cancelReason(ctx) != pluginv1.Cancel_WORKER_STOP {
			return route, nil, ctx.Err()
		}
		return route, nil, unavailable(name, true, nil)
	}
	if route, err = b.acquire(ctx, stopping, name); err != nil {
		b.o.Seats.free(limits)
		return route, nil, err
	}
	return route, limits, nil
}

// limits are those of the plugin, by its group's configuration, and of the
// activity, by the manifest.
func (b *Bridge) limits(route router.Route) []Limit {
	limits := b.Limits(route)
	if n := route.Spec.GetMaxConcurrent(); n > 0 {
		limits = append(limits, Limit{Key: "activity " + route.Spec.GetName(), Max: int(n)})
	}
	return limits
}

// Limits are those that the plugin of a route has as a whole.
func (b *Bridge) Limits(route router.Route) []Limit {
	m := route.Instance.Manifest
	if n := b.o.Limit(m.GetGroup()); n > 0 {
		return []Limit{{Key: "plugin " + m.GetName(), Max: n}}
	}
	return nil
}

// acquire finds the plugin, waiting for one that is expected back.
func (b *Bridge) acquire(ctx context.Context, stopping <-chan struct{}, name string) (router.Route, error) {
	if route, ok := b.o.Router.Acquire(name); ok {
		return route, nil
	}
	if b.o.Expected(name) {
		stop := beat(ctx)
		wait, cancel := context.WithTimeout(ctx, b.o.AwaitRoute)
		cancelWhenStopping(wait, stopping, cancel)
		route, ok := b.o.Router.Await(wait, name)
		cancel()
		stop()
		if ok {
			return route, nil
		}
		if ctx.Err() != nil && cancelReason(ctx) != pluginv1.Cancel_WORKER_STOP {
			return router.Route{}, ctx.Err()
		}
	}
	return router.Route{}, unavailable(name, b.o.Expected(name), b.o.Router.Activities())
}

// beat records heartbeats until stopped, so that a wait is not taken for a dead
// worker. They carry the details of the attempt before: the server keeps the
// latest, and an empty one would take them from the attempt after this one.
func beat(ctx context.Context) (stop func()) {
	details, _ := storedDetails(ctx) // an attempt that gets a plugin logs why they cannot be read
	done, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		t := time.NewTicker(time.Second)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				activity.RecordHeartbeat(ctx, details...)
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-over }
}

// rawPayloads takes the arguments as they are, decoded by the worker's codec.
func rawPayloads(args converter.EncodedValues) ([]*pluginv1.Payload, error) {
	n := len(converter.GetPayloads(args).GetPayloads())
	if n == 0 {
		return nil, nil
	}
	raw := make([]converter.RawValue, n)
	into := make([]any, n)
	for i := range raw {
		into[i] = &raw[i]
	}
	if err := args.Get(into...); err != nil {
		return nil, err
	}
	out := make([]*pluginv1.Payload, n)
	for i, r := range raw {
		out[i] = &pluginv1.Payload{Metadata: r.Payload().GetMetadata(), Data: r.Payload().GetData()}
	}
	return out, nil
}

// unavailable names what could have been meant.
func unavailable(name string, expected bool, offered []string) error {
	msg := "no plugin on this host offers the activity \"" + name + "\""
	if expected {
		msg = "the plugin that offers the activity \"" + name + "\" is not ready; see host plugin list"
	} else if len(offered) > 0 {
		msg += "; offered are: " + strings.Join(offered, ", ")
	}
	return temporal.NewApplicationErrorWithOptions(msg, typeUnavailable, temporal.ApplicationErrorOptions{NextRetryDelay: 2 * time.Second})
}

var _ plugin.Events = (*attempt)(nil)
