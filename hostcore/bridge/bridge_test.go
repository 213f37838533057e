package bridge

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/hostcore/plugin/plugintest"
	"github.com/orch-host/orch/hostcore/router"
	"github.com/orch-host/orch/sdk/pluginv1"
)

type stream = grpc.BidiStreamingServer[pluginv1.ExecuteRequest, pluginv1.ExecuteEvent]

// call runs one attempt of activity x through a bridge, as a worker would.
func call(t *testing.T, o Options, execution func(stream) error, prepare func(*testsuite.TestActivityEnvironment), args ...any) (converter.EncodedValue, *plugintest.Process, error) {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	var p *plugintest.Process
	if o.Router == nil {
		o.Router = router.New()
		s := plugintest.NewServer(plugintest.Manifest("a", "1.0.0", "x"))
		s.Execution = execution
		var err error
		if p, err = plugintest.Start(s); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Crash)
		i, err := plugin.Connect(t.Context(), p, plugin.Binary{Source: "/plugins/a", Digest: "d"})
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Router.Switch(i); err != nil {
			t.Fatal(err)
		}
	}
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivityWithOptions(New(o).handler("svc", nil, time.Minute), activity.RegisterOptions{Name: "unused"})
	env.RegisterDynamicActivity(New(o).handler("svc", nil, time.Minute), activity.DynamicRegisterOptions{})
	if prepare != nil {
		prepare(env)
	}
	out, err := env.ExecuteActivity("x", args...)
	return out, p, err
}

// raw is a payload that nobody here can read.
func raw(data string) converter.RawValue {
	return converter.NewRawValue(&commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte("binary/odd"), "k": {0xff, 0}}, Data: []byte(data)})
}

func TestPayloadsPassUntouched(t *testing.T) {
	for _, data := range []string{"", "\x00\xff", strings.Repeat("x", 1<<20)} {
		out, _, err := call(t, Options{}, nil, nil, raw(data))
		if err != nil {
			t.Fatal(err)
		}
		var back converter.RawValue
		if err := out.Get(&back); err != nil || !bytes.Equal(back.Payload().GetData(), []byte(data)) || string(back.Payload().GetMetadata()["k"]) != "\xff\x00" {
			t.Errorf("%d bytes came back as %.80v, %v", len(data), back.Payload(), err)
		}
	}
}

func TestThePluginLearnsWhatItIsCalledFor(t *testing.T) {
	var start *pluginv1.Start
	_, _, err := call(t, Options{}, func(s stream) error {
		req, err := s.Recv()
		if err != nil {
			return err
		}
		start = req.GetStart()
		return s.Send(&pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Result{Result: &pluginv1.Result{}}})
	}, func(env *testsuite.TestActivityEnvironment) { env.SetHeartbeatDetails("before") }, "in")
	if err != nil {
		t.Fatal(err)
	}
	i := start.GetInfo()
	if start.GetActivity() != "x" || string(start.GetInput()[0].GetData()) != `"in"` || i.GetService() != "svc" || i.GetAttempt() != 1 || i.GetWorkflowId() == "" {
		t.Errorf("%v", start)
	}
	if start.GetIdempotencyKey() != i.GetRunId()+"/"+i.GetActivityId() || i.GetRunId() == "" {
		t.Errorf("the idempotency key is %q", start.GetIdempotencyKey())
	}
	if len(start.GetLastHeartbeat()) != 1 || string(start.GetLastHeartbeat()[0].GetData()) != `"before"` {
		t.Errorf("the heartbeat of the attempt before is %v", start.GetLastHeartbeat())
	}
}

func TestFailuresKeepEverythingThatAWorkflowDecidesBy(t *testing.T) {
	_, _, err := call(t, Options{}, func(s stream) error {
		return s.Send(&pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Failure{Failure: &pluginv1.Failure{
			Type: "Full", Message: "disk full", NonRetryable: true, NextRetryDelay: durationpb.New(7 * time.Second),
			Details: []*pluginv1.Payload{{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(`{"free":0}`)}},
			Cause:   &pluginv1.Failure{Type: "Disk", Message: "no space left"},
		}}})
	}, nil, "in")
	var app, cause *temporal.ApplicationError
	if !errors.As(err, &app) || app.Type() != "Full" || app.Message() != "disk full" || !app.NonRetryable() || app.NextRetryDelay() != 7*time.Second {
		t.Fatalf("%T %v", err, err)
	}
	var details struct{ Free *int }
	if err := app.Details(&details); err != nil || details.Free == nil {
		t.Errorf("details %+v, %v", details, err)
	}
	if !errors.As(app.Unwrap(), &cause) || cause.Type() != "Disk" {
		t.Errorf("cause %v", app.Unwrap())
	}
}

func TestWhatTheBridgeItselfReports(t *testing.T) {
	tests := []struct {
		name      string
		options   Options
		execution func(stream) error
		kind      string
		final     bool
		tells     string
	}{
		{"a stream with no verdict", Options{}, func(stream) error { return nil }, typeCrashed, false, "a 1.0.0"},
		{"an answer over the limit", Options{}, func(s stream) error {
			return s.Send(&pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Result{Result: &pluginv1.Result{Output: []*pluginv1.Payload{{Data: make([]byte, maxResult+1)}}}}})
		}, typeTooLarge, true, ""},
		{"nobody offers it", Options{Router: router.New()}, nil, typeUnavailable, false, `"x"`},
		{"who offers it is away", Options{Router: router.New(), Expected: func(string) bool { return true }, AwaitRoute: 10 * time.Millisecond}, nil, typeUnavailable, false, "not ready"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := call(t, tt.options, tt.execution, nil, "in")
			var app *temporal.ApplicationError
			if !errors.As(err, &app) || app.Type() != tt.kind || app.NonRetryable() != tt.final || !strings.Contains(app.Message(), tt.tells) {
				t.Errorf("%T %v", err, err)
			}
		})
	}
}

func TestHeartbeatsTravelWithTheirLatestDetails(t *testing.T) {
	var seen []string
	beat := func(details ...*pluginv1.Payload) *pluginv1.ExecuteEvent {
		return &pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Heartbeat{Heartbeat: &pluginv1.Heartbeat{Details: details}}}
	}
	_, _, err := call(t, Options{}, func(s stream) error {
		if _, err := s.Recv(); err != nil {
			return err
		}
		for _, e := range []*pluginv1.ExecuteEvent{
			beat(&pluginv1.Payload{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(`3`)}),
			{Event: &pluginv1.ExecuteEvent_Result{Result: &pluginv1.Result{}}},
		} {
			if err := s.Send(e); err != nil {
				return err
			}
		}
		return nil
	}, func(env *testsuite.TestActivityEnvironment) {
		env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
			var n int
			if details.Get(&n) == nil {
				seen = append(seen, string(rune('0'+n)))
			}
		})
	}, "in")
	if err != nil || strings.Join(seen, "") != "3" {
		t.Errorf("heartbeats %v, %v", seen, err)
	}
}

func TestAttemptsStandOnTheBoardWhileTheyRun(t *testing.T) {
	board := NewBoard()
	_, _, err := call(t, Options{Board: board}, func(s stream) error {
		if _, err := s.Recv(); err != nil {
			return err
		}
		list := board.List()
		if len(list) != 1 || list[0].Activity != "x" || list[0].Plugin != "a" || list[0].Service != "svc" {
			t.Errorf("while it runs: %+v", list)
		}
		return s.Send(&pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Result{Result: &pluginv1.Result{}}})
	}, nil, "in")
	if err != nil || len(board.List()) > 0 {
		t.Errorf("%v, afterwards %+v", err, board.List())
	}
}
