package sdktest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// Call is one activity attempt as the host would make it.
type Call struct {
	Activity         string
	Args             []any         // positional arguments, written as JSON
	LastHeartbeat    any           // details of the attempt before; nil: none
	Attempt          int           // default 1
	HeartbeatTimeout time.Duration // 0: no ticks
	Timeout          time.Duration // 0: none
	WorkflowID       string
	RunID            string
	Carrier          map[string]string // W3C trace context
}

// Outcome is everything an attempt reported.
type Outcome struct {
	Result     json.RawMessage   // the output as JSON; nil after a failure
	Failure    *pluginv1.Failure // nil after a result
	Heartbeats []json.RawMessage // details, ticks left out
	Ticks      int               // heartbeats without details
	Progress   []*pluginv1.Progress
	Logs       []*pluginv1.Log
}

// Attempt is a running attempt.
type Attempt struct {
	h       *Harness
	stream  pluginv1.Plugin_ExecuteClient
	hard    context.CancelFunc
	ended   chan struct{}
	outcome outcomeOrError // once ended is closed
}

type outcomeOrError struct {
	Outcome
	err error
}

// Run executes an activity and returns its outcome; a failure fails the test.
func (h *Harness) Run(activity string, args ...any) Outcome {
	h.t.Helper()
	o := h.Execute(Call{Activity: activity, Args: args})
	if o.Failure != nil {
		h.t.Fatalf("activity %s failed: %s: %s", activity, o.Failure.GetType(), o.Failure.GetMessage())
	}
	return o
}

// Execute runs an attempt to its verdict, whichever it is.
func (h *Harness) Execute(c Call) Outcome {
	h.t.Helper()
	return h.Begin(c).Wait()
}

// Begin starts an attempt and returns at once.
func (h *Harness) Begin(c Call) *Attempt {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.ctx)
	stream, err := h.Client.Execute(ctx)
	if err != nil {
		cancel()
		h.t.Fatalf("execute %s: %v", c.Activity, err)
	}
	info := &pluginv1.Info{
		WorkflowId: c.WorkflowID, RunId: c.RunID, ActivityId: "1", Attempt: int32(max(c.Attempt, 1)),
		HeartbeatTimeout: durationpb.New(c.HeartbeatTimeout),
	}
	if c.Timeout > 0 {
		info.Remaining = durationpb.New(c.Timeout)
	}
	start := &pluginv1.Start{Activity: c.Activity, Info: info, IdempotencyKey: c.RunID + "/1", Carrier: c.Carrier}
	for _, arg := range c.Args {
		start.Input = append(start.Input, h.payload(arg))
	}
	if c.LastHeartbeat != nil {
		start.LastHeartbeat = []*pluginv1.Payload{h.payload(c.LastHeartbeat)}
	}
	if err := stream.Send(&pluginv1.ExecuteRequest{Msg: &pluginv1.ExecuteRequest_Start{Start: start}}); err != nil {
		cancel()
		h.t.Fatalf("execute %s: %v", c.Activity, err)
	}
	a := &Attempt{h: h, stream: stream, ended: make(chan struct{}), hard: cancel}
	go a.collect()
	return a
}

func (h *Harness) payload(v any) *pluginv1.Payload {
	if p, ok := v.(*pluginv1.Payload); ok {
		return p
	}
	data, err := json.Marshal(v)
	if err != nil {
		h.t.Fatal(err)
	}
	return &pluginv1.Payload{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: data}
}

// Cancel asks the attempt to clean up and answer within grace.
func (a *Attempt) Cancel(reason pluginv1.Cancel_Reason, grace time.Duration) {
	a.h.t.Helper()
	err := a.stream.Send(&pluginv1.ExecuteRequest{Msg: &pluginv1.ExecuteRequest_Cancel{
		Cancel: &pluginv1.Cancel{Reason: reason, Grace: durationpb.New(grace)}}})
	if err != nil && !errors.Is(err, io.EOF) {
		a.h.t.Errorf("cancel: %v", err)
	}
}

// Cut ends the stream as a host does when the grace is over.
func (a *Attempt) Cut() { a.hard() }

// Wait returns what the attempt reported, as often as it is called. A stream
// that ends without a verdict fails the test.
func (a *Attempt) Wait() Outcome {
	a.h.t.Helper()
	<-a.ended
	o := a.outcome
	if o.err != nil {
		a.h.t.Fatalf("the attempt ended without a verdict: %v", o.err)
	}
	return o.Outcome
}

func (a *Attempt) collect() {
	defer a.hard()
	defer close(a.ended)
	o := &a.outcome
	verdicts := 0
	for {
		e, err := a.stream.Recv()
		if err != nil {
			switch {
			case verdicts == 0:
				o.err = err
			case verdicts > 1:
				o.err = errors.New("more than one verdict was sent")
			}
			return
		}
		switch v := e.GetEvent().(type) {
		case *pluginv1.ExecuteEvent_Heartbeat:
			if len(v.Heartbeat.GetDetails()) == 0 {
				o.Ticks++
			} else {
				o.Heartbeats = append(o.Heartbeats, v.Heartbeat.GetDetails()[0].GetData())
			}
		case *pluginv1.ExecuteEvent_Progress:
			o.Progress = append(o.Progress, v.Progress)
		case *pluginv1.ExecuteEvent_Log:
			o.Logs = append(o.Logs, v.Log)
		case *pluginv1.ExecuteEvent_Result:
			verdicts++
			o.Result = json.RawMessage("null")
			if out := v.Result.GetOutput(); len(out) > 0 && len(out[0].GetData()) > 0 {
				o.Result = out[0].GetData()
			}
		case *pluginv1.ExecuteEvent_Failure:
			verdicts++
			o.Failure = v.Failure
		}
	}
}

// Decode reads the result, JSON, into v.
func (o Outcome) Decode(v any) error { return json.Unmarshal(o.Result, v) }
