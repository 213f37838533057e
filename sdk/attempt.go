package sdk

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// maxQueuedLogs bounds the log records that wait for a slow host.
const maxQueuedLogs = 256

// eventStream is the part of the gRPC stream that an attempt writes to.
type eventStream interface {
	Send(*pluginv1.ExecuteEvent) error
}

// attempt is one running activity attempt. Whatever it reports on the way goes
// through an outbox that never blocks the activity: one slot each for the
// latest heartbeat and progress, a bounded queue for logs.
type attempt struct {
	stream   eventStream
	start    *pluginv1.Start
	stateDir string
	level    *levelVar
	deadline time.Time

	mu        sync.Mutex
	heartbeat *pluginv1.Heartbeat
	progress  *pluginv1.Progress
	logs      []*pluginv1.Log
	dropped   uint64
	sending   bool       // a flush goroutine runs
	idle      *sync.Cond // sending turned false
	closed    bool       // the activity has returned: nothing more is taken
	graceEnds time.Time  // set by a soft cancel
}

func newAttempt(stream eventStream, start *pluginv1.Start) *attempt {
	a := &attempt{stream: stream, start: start}
	a.idle = sync.NewCond(&a.mu)
	if r := start.GetInfo().GetRemaining(); r != nil {
		a.deadline = time.Now().Add(r.AsDuration())
	}
	return a
}

type attemptKey struct{}

func attemptOf(ctx context.Context) *attempt {
	a, _ := ctx.Value(attemptKey{}).(*attempt)
	return a
}

// run calls the activity, turns a panic into an error and sends the verdict.
func (a *attempt) run(ctx context.Context, def *ActivityDef) error {
	ctx = context.WithValue(ctx, attemptKey{}, a)
	if !a.deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, a.deadline)
		defer cancel()
	}
	ctx, span := a.span(ctx)
	stopTicks := a.tick()
	out, err := call(ctx, def, a.start.GetInput())
	stopTicks()
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
	verdict := &pluginv1.ExecuteEvent{}
	if err != nil {
		verdict.Event = &pluginv1.ExecuteEvent_Failure{Failure: failureOf(ctx, err)}
	} else {
		verdict.Event = &pluginv1.ExecuteEvent_Result{Result: &pluginv1.Result{Output: []*pluginv1.Payload{out}}}
	}
	a.mu.Lock()
	a.closed = true // before the wait: a goroutine that logs without end would make it endless
	for a.sending {
		a.idle.Wait()
	}
	a.mu.Unlock()
	return a.stream.Send(verdict)
}

// span is the attempt in the trace that it came with. Without a tracer provider
// (see package tracing) it only carries the trace on.
func (a *attempt) span(ctx context.Context) (context.Context, trace.Span) {
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier(a.start.GetCarrier()))
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ctx, trace.SpanFromContext(ctx)
	}
	info := a.start.GetInfo()
	return otel.Tracer("github.com/orch-host/orch/sdk").Start(ctx, a.start.GetActivity(), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("orch.service", info.GetService()), attribute.String("temporal.workflow_id", info.GetWorkflowId()),
		attribute.String("temporal.run_id", info.GetRunId()), attribute.Int("temporal.attempt", int(info.GetAttempt())),
	))
}

func call(ctx context.Context, def *ActivityDef, args []*pluginv1.Payload) (out *pluginv1.Payload, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{value: v, stack: string(debug.Stack())}
		}
	}()
	return def.run(ctx, args)
}

// tick sends an empty heartbeat once a second (or three times per heartbeat
// timeout, if that is sooner) until the returned function is called.
func (a *attempt) tick() (stop func()) {
	timeout := a.start.GetInfo().GetHeartbeatTimeout().AsDuration()
	if timeout <= 0 {
		return func() {}
	}
	every := min(time.Second, timeout/3)
	var mu sync.Mutex
	stopped := false
	mu.Lock()
	defer mu.Unlock()
	var timer *time.Timer
	timer = time.AfterFunc(every, func() {
		a.post(func() {
			if a.heartbeat == nil {
				a.heartbeat = &pluginv1.Heartbeat{}
			}
		})
		mu.Lock()
		defer mu.Unlock()
		if !stopped {
			timer.Reset(every)
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		timer.Stop()
	}
}

// post changes the outbox and makes sure somebody empties it.
func (a *attempt) post(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	change()
	if !a.sending {
		a.sending = true
		go a.flush()
	}
}

// flush sends until the outbox is empty. A failed send means that the host has
// cut the stream; the rest is dropped and the stream's context ends the
// attempt.
func (a *attempt) flush() {
	for {
		a.mu.Lock()
		events := a.take()
		if len(events) == 0 {
			a.sending = false
			a.idle.Broadcast()
			a.mu.Unlock()
			return
		}
		a.mu.Unlock()
		for _, e := range events {
			if a.stream.Send(e) != nil {
				break
			}
		}
	}
}

// take empties the outbox; a.mu is held.
func (a *attempt) take() []*pluginv1.ExecuteEvent {
	var events []*pluginv1.ExecuteEvent
	for i, l := range a.logs {
		if i == 0 {
			l.Dropped, a.dropped = a.dropped, 0
		}
		events = append(events, &pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Log{Log: l}})
	}
	a.logs = nil
	if a.progress != nil {
		events = append(events, &pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Progress{Progress: a.progress}})
		a.progress = nil
	}
	if a.heartbeat != nil {
		events = append(events, &pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Heartbeat{Heartbeat: a.heartbeat}})
		a.heartbeat = nil
	}
	return events
}

func (a *attempt) log(l *pluginv1.Log) {
	a.post(func() {
		if len(a.logs) >= maxQueuedLogs {
			a.dropped++
			return
		}
		a.logs = append(a.logs, l)
	})
}

// CancelError is the cause (context.Cause) of a cancelled attempt's context.
type CancelError struct {
	Reason string // requested, timeout, paused, worker_stop, drain
}

func (e *CancelError) Error() string { return fmt.Sprintf("the attempt was cancelled: %s", e.Reason) }

// Is makes a CancelError equal to context.Canceled for errors.Is.
func (e *CancelError) Is(target error) bool { return target == context.Canceled }

// softCancel cancels the activity's context and notes until when it may clean
// up.
func (a *attempt) softCancel(cancel context.CancelCauseFunc, c *pluginv1.Cancel) {
	a.mu.Lock()
	a.graceEnds = time.Now().Add(c.GetGrace().AsDuration())
	a.mu.Unlock()
	cancel(&CancelError{Reason: cancelReasons[c.GetReason()]})
}

var cancelReasons = map[pluginv1.Cancel_Reason]string{
	pluginv1.Cancel_REASON_UNSPECIFIED: "unspecified",
	pluginv1.Cancel_REQUESTED:          "requested",
	pluginv1.Cancel_TIMEOUT:            "timeout",
	pluginv1.Cancel_PAUSED:             "paused",
	pluginv1.Cancel_WORKER_STOP:        "worker_stop",
	pluginv1.Cancel_DRAIN:              "drain",
}
