package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// Events receives what an attempt reports on the way. The calls come one at a
// time, in the order the plugin made them.
type Events interface {
	Heartbeat(details []*pluginv1.Payload) // nil details: a sign of life only
	Log(*pluginv1.Log)
	Progress(*pluginv1.Progress)
}

// FailureError is the failure that the plugin answered with.
type FailureError struct{ *pluginv1.Failure }

func (e *FailureError) Error() string { return e.GetMessage() }

// ErrTooLarge says that a message was over the limit of the wire.
var ErrTooLarge = errors.New("the plugin's message is larger than 64 MiB")

// Execute runs one attempt; the caller holds Acquire. When soft is done the
// plugin is asked to give up, for the reason that why tells, and the stream is
// cut after the grace that it tells, or when ctx is done.
func (i *Instance) Execute(ctx, soft context.Context, start *pluginv1.Start, why func() (pluginv1.Cancel_Reason, time.Duration), events Events) (*pluginv1.Result, error) {
	ctx, cut := context.WithCancel(ctx)
	defer cut()
	stream, err := i.client.Execute(ctx)
	if err != nil {
		return nil, i.explain(err)
	}
	if err := stream.Send(&pluginv1.ExecuteRequest{Msg: &pluginv1.ExecuteRequest_Start{Start: start}}); err != nil && !errors.Is(err, io.EOF) {
		return nil, i.explain(err)
	}
	asked := make(chan struct{}, 1) // one Cancel is enough
	giveUp := func(reason pluginv1.Cancel_Reason, grace time.Duration) {
		select {
		case asked <- struct{}{}:
		default:
			return
		}
		// Before the message is sent: to a plugin that reads nothing, and has not
		// taken its input, sending waits until the stream is cut.
		timer := time.AfterFunc(grace, cut)
		context.AfterFunc(ctx, func() { timer.Stop() })
		msg := &pluginv1.Cancel{Reason: reason, Grace: durationpb.New(grace)}
		_ = stream.Send(&pluginv1.ExecuteRequest{Msg: &pluginv1.ExecuteRequest_Cancel{Cancel: msg}}) // when the stream is over, Recv knows why
	}
	stopSoft := context.AfterFunc(soft, func() { giveUp(why()) })
	defer stopSoft()
	stopDrain := context.AfterFunc(i.giveUp, func() {
		i.mu.Lock()
		grace := i.grace
		i.mu.Unlock()
		giveUp(pluginv1.Cancel_DRAIN, grace)
	})
	defer stopDrain()
	pace := newPace(time.Now())
	for {
		event, err := stream.Recv()
		if err != nil {
			return nil, i.streamError(ctx, soft, err)
		}
		switch e := event.GetEvent().(type) {
		case *pluginv1.ExecuteEvent_Result:
			return e.Result, nil
		case *pluginv1.ExecuteEvent_Failure:
			return nil, &FailureError{e.Failure}
		case *pluginv1.ExecuteEvent_Heartbeat:
			events.Heartbeat(e.Heartbeat.GetDetails())
		case *pluginv1.ExecuteEvent_Log:
			events.Log(e.Log)
		case *pluginv1.ExecuteEvent_Progress:
			events.Progress(e.Progress)
		}
		pace.next(ctx)
	}
}

// CutError says that an attempt had not answered when its grace was over.
type CutError struct{ Err error }

func (e *CutError) Error() string {
	return fmt.Sprintf("the activity did not answer its cancellation in time: %v", e.Err)
}

func (e *CutError) Unwrap() error { return e.Err }

// streamError says why a stream ended without a verdict.
func (i *Instance) streamError(ctx, soft context.Context, err error) error {
	if ctx.Err() != nil && !connectionLost(err) {
		return &CutError{Err: context.Cause(ctx)}
	}
	if soft.Err() != nil && status.Code(err) == codes.Canceled {
		return &CutError{Err: context.Cause(soft)}
	}
	if status.Code(err) == codes.ResourceExhausted {
		return fmt.Errorf("plugin %s: %w (%s)", i.Label(), ErrTooLarge, status.Convert(err).Message())
	}
	if errors.Is(err, io.EOF) {
		return &CrashError{Plugin: i.Manifest.GetName(), Version: i.Manifest.GetVersion(), Exit: i.Exit(),
			Err: errors.New("the plugin ended the stream without a result or a failure")}
	}
	return i.explain(err)
}

// connectionLost says whether a gRPC error means that the other end is gone:
// the stream broke, or our end was closed because the process had ended.
func connectionLost(err error) bool {
	closed := status.Code(err) == codes.Canceled && strings.Contains(status.Convert(err).Message(), "client connection is closing")
	return closed || status.Code(err) == codes.Unavailable || errors.Is(err, io.ErrUnexpectedEOF)
}
