package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// heartbeatTimeout is what every attempt asks for: a plugin that ticks does so
// at least every second then.
const heartbeatTimeout = 3 * time.Second

// verdict is how an attempt ended.
type verdict struct {
	result  json.RawMessage   // nil after a failure
	failure *pluginv1.Failure // nil after a result
}

func (v verdict) String() string {
	if v.failure != nil {
		return fmt.Sprintf("the failure %s: %s", v.failure.GetType(), v.failure.GetMessage())
	}
	return "the result " + clip(string(v.result))
}

func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}

// attempt is one Execute stream.
type attempt struct {
	stream grpc.BidiStreamingClient[pluginv1.ExecuteRequest, pluginv1.ExecuteEvent]
	cut    context.CancelFunc
	ticked chan struct{} // closed by the first heartbeat
	ended  chan struct{}
	v      verdict
	err    error // why there is no verdict, or what was wrong with it
}

var (
	errNoVerdict   = errors.New("the plugin ended the stream without a result or a failure")
	errTwoVerdicts = errors.New("the plugin sent something after its result or failure")
)

// begin sends Start.
func (s *session) begin(ctx context.Context, activity string, args []any) (*attempt, error) {
	start := &pluginv1.Start{
		Activity: activity, IdempotencyKey: "conformance/1",
		Info: &pluginv1.Info{WorkflowId: "conformance", RunId: "conformance", WorkflowType: "conformance", ActivityId: "1",
			Attempt: 1, TaskQueue: "conformance", Namespace: "default",
			Remaining: durationpb.New(10 * time.Minute), HeartbeatTimeout: durationpb.New(heartbeatTimeout)},
	}
	for _, a := range args {
		data, err := json.Marshal(a)
		if err != nil {
			return nil, fmt.Errorf("write the input of %s as JSON: %w", activity, err)
		}
		start.Input = append(start.Input, &pluginv1.Payload{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: data})
	}
	return s.send(ctx, &pluginv1.ExecuteRequest{Msg: &pluginv1.ExecuteRequest_Start{Start: start}})
}

// send opens a stream with its first message, whatever that is.
func (s *session) send(ctx context.Context, first *pluginv1.ExecuteRequest) (*attempt, error) {
	ctx, cut := context.WithCancel(ctx)
	stream, err := s.client.Execute(ctx)
	if err == nil {
		err = stream.Send(first)
	}
	if err != nil && !errors.Is(err, io.EOF) { // EOF: Recv knows why
		cut()
		return nil, err
	}
	a := &attempt{stream: stream, cut: cut, ticked: make(chan struct{}), ended: make(chan struct{})}
	go a.collect()
	return a, nil
}

func (a *attempt) collect() {
	defer close(a.ended)
	defer a.cut()
	ticked, decided := false, false
	for {
		e, err := a.stream.Recv()
		if err != nil {
			switch {
			case !decided && errors.Is(err, io.EOF):
				a.err = errNoVerdict
			case !decided:
				a.err = err
			case !errors.Is(err, io.EOF):
				a.err = fmt.Errorf("the stream broke after the verdict: %w", err)
			}
			return
		}
		if decided {
			a.err = errTwoVerdicts
			return
		}
		switch v := e.GetEvent().(type) {
		case *pluginv1.ExecuteEvent_Heartbeat:
			if !ticked {
				ticked = true
				close(a.ticked)
			}
		case *pluginv1.ExecuteEvent_Result:
			decided = true
			a.v.result = json.RawMessage("null")
			if out := v.Result.GetOutput(); len(out) > 0 && len(out[0].GetData()) > 0 {
				a.v.result = out[0].GetData()
			}
		case *pluginv1.ExecuteEvent_Failure:
			decided = true
			a.v.failure = v.Failure
		}
	}
}

// askToStop sends the soft cancel.
func (a *attempt) askToStop(grace time.Duration) error {
	err := a.stream.Send(&pluginv1.ExecuteRequest{Msg: &pluginv1.ExecuteRequest_Cancel{
		Cancel: &pluginv1.Cancel{Reason: pluginv1.Cancel_REQUESTED, Grace: durationpb.New(grace)}}})
	if errors.Is(err, io.EOF) {
		return nil // it has answered already
	}
	return err
}

// errSilent says that an attempt has not answered in time.
var errSilent = errors.New("the activity did not answer")

// wait returns the verdict; after limit the stream is cut.
func (a *attempt) wait(limit time.Duration) (verdict, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-a.ended:
		return a.v, a.err
	case <-timer.C:
		a.cut()
		<-a.ended
		return verdict{}, fmt.Errorf("%w within %s", errSilent, limit)
	}
}

// execute runs an attempt to its verdict. One that goes on for longer than the
// kit's timeout is cancelled, which late tells.
func (k *kit) execute(ctx context.Context, s *session, activity string, args ...any) (v verdict, late bool, err error) {
	a, err := s.begin(ctx, activity, args)
	if err != nil {
		return v, false, err
	}
	select {
	case <-a.ended:
		v, err = a.v, a.err
		return v, false, err
	case <-time.After(k.o.Timeout):
	}
	if err := a.askToStop(k.o.Grace); err != nil {
		a.cut()
		return v, true, err
	}
	v, err = a.wait(k.o.Grace)
	return v, true, err
}
