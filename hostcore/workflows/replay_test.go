package workflows

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// scheduled is one activity as a history or the code schedules it. The SDK's own check compares types and ids only; a
// changed timeout or input would pass it.
type scheduled struct {
	Activity string
	Input    []string
	Limit    time.Duration
	Silence  time.Duration
	Retry    temporal.RetryPolicy
}

// replay runs the workflows of register against a recorded history, and says where the two part.
func replay(history *historypb.History, register func(Registry)) error {
	spy := &replaySpy{}
	replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{Interceptors: []interceptor.WorkerInterceptor{spy}})
	if err != nil {
		return err
	}
	register(replayer)
	quiet := log.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))
	// The ids of child workflows are made from the run's own.
	id := history.GetEvents()[0].GetWorkflowExecutionStartedEventAttributes().GetWorkflowId()
	options := worker.ReplayWorkflowHistoryOptions{OriginalExecution: workflow.Execution{ID: id}}
	if err := replayer.ReplayWorkflowHistoryWithOptions(quiet, history, options); err != nil {
		return err
	}
	if diff := cmp.Diff(inHistory(history), spy.seen); diff != "" {
		return fmt.Errorf("the code schedules activities in another way than the history (-history +code):\n%s", diff)
	}
	events := history.GetEvents()
	completed := events[len(events)-1].GetWorkflowExecutionCompletedEventAttributes()
	if want := strings.Join(texts(completed.GetResult()), " "); completed != nil && want != spy.result {
		return fmt.Errorf("the code completes with another result: %s, the history with %s", spy.result, want)
	}
	return nil
}

func inHistory(history *historypb.History) []scheduled {
	var all []scheduled
	for _, e := range history.GetEvents() {
		a := e.GetActivityTaskScheduledEventAttributes()
		if a == nil {
			continue
		}
		all = append(all, scheduled{
			Activity: a.GetActivityType().GetName(), Input: texts(a.GetInput()),
			Limit: a.GetStartToCloseTimeout().AsDuration(), Silence: a.GetHeartbeatTimeout().AsDuration(),
			Retry: temporal.RetryPolicy{
				InitialInterval:    a.GetRetryPolicy().GetInitialInterval().AsDuration(),
				BackoffCoefficient: a.GetRetryPolicy().GetBackoffCoefficient(),
				MaximumInterval:    a.GetRetryPolicy().GetMaximumInterval().AsDuration(),
				MaximumAttempts:    a.GetRetryPolicy().GetMaximumAttempts(),
			},
		})
	}
	return all
}

func texts(payloads *commonpb.Payloads) []string {
	var out []string
	for _, p := range payloads.GetPayloads() {
		out = append(out, jsonText(p.GetData()))
	}
	return out
}

// replaySpy notes what the code schedules and what it completes with.
type replaySpy struct {
	interceptor.WorkerInterceptorBase
	seen   []scheduled
	result string
}

func (s *replaySpy) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return &replayInbound{interceptor.WorkflowInboundInterceptorBase{Next: next}, s}
}

type replayInbound struct {
	interceptor.WorkflowInboundInterceptorBase
	spy *replaySpy
}

func (i *replayInbound) Init(out interceptor.WorkflowOutboundInterceptor) error {
	return i.Next.Init(&replayOutbound{interceptor.WorkflowOutboundInterceptorBase{Next: out}, i.spy})
}

func (i *replayInbound) ExecuteWorkflow(ctx workflow.Context, in *interceptor.ExecuteWorkflowInput) (any, error) {
	result, err := i.Next.ExecuteWorkflow(ctx, in)
	i.spy.result = fmt.Sprintf("%q", result)
	return result, err
}

type replayOutbound struct {
	interceptor.WorkflowOutboundInterceptorBase
	spy *replaySpy
}

func (o *replayOutbound) ExecuteActivity(ctx workflow.Context, activity string, args ...any) workflow.Future {
	options := workflow.GetActivityOptions(ctx)
	retry := *options.RetryPolicy
	if retry.InitialInterval == 0 { // a server writes its defaults into the history
		retry.InitialInterval, retry.BackoffCoefficient, retry.MaximumInterval = time.Second, 2, 100*time.Second
	}
	input, err := converter.GetDefaultDataConverter().ToPayloads(args...)
	if err != nil {
		panic(err)
	}
	o.spy.seen = append(o.spy.seen, scheduled{
		Activity: activity, Input: texts(input), Limit: options.StartToCloseTimeout, Silence: options.HeartbeatTimeout, Retry: retry,
	})
	return o.Next.ExecuteActivity(ctx, activity, args...)
}

func recorded(t *testing.T, name string) *historypb.History {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	history, err := client.HistoryFromJSON(f, client.HistoryJSONOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return history
}

func TestRecordedHistoriesReplay(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, s := range scenarios() {
		known[s.name] = true
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			// The host's setting has changed since: a run under way must not notice.
			changed := Options{ChatContext: "/changed/since"}
			if err := replay(recorded(t, name), func(r Registry) { Register(r, changed) }); err != nil {
				t.Error(err)
			}
			if !known[name] {
				t.Error("no scenario records this history")
			}
		})
		delete(known, name)
	}
	for name := range known {
		t.Errorf("%s is not recorded", name)
	}
	for _, d := range All() {
		recorded(t, d.Name)
	}
}

func TestAChangeThatBreaksRunsUnderWayDoesNotReplay(t *testing.T) {
	five := func(f *flow, params Arg, names ...string) (string, error) {
		for _, n := range names {
			f.step(n, params)
		}
		return f.done("Logs pipeline fully configured")
	}
	const stop, del, start = "stop_opentelemetry_collector", "delete_opentelemetry_collector", "start_opentelemetry_collector"
	const loki, grafana = "start_loki_activity", "start_grafana_activity"
	for _, tc := range []struct {
		name  string
		run   func(f *flow, params Arg) (string, error)
		tells string // "" when it must replay
	}{
		{"nothing changed", func(f *flow, p Arg) (string, error) { return five(f, p, stop, del, start, loki, grafana) }, ""},
		{"two steps swapped", func(f *flow, p Arg) (string, error) { return five(f, p, stop, del, start, grafana, loki) }, "TMPRL1100"},
		{"a step renamed", func(f *flow, p Arg) (string, error) { return five(f, p, stop, del, start, loki, "start_grafana") }, "TMPRL1100"},
		{"a step left out", func(f *flow, p Arg) (string, error) { return five(f, p, stop, del, start, loki) }, "TMPRL1100"},
		{"a step added", func(f *flow, p Arg) (string, error) { return five(f, p, stop, del, start, loki, grafana, "extra") }, "TMPRL1100"},
		{"a sleep added", func(f *flow, p Arg) (string, error) {
			f.sleep(time.Second, "settle")
			return five(f, p, stop, del, start, loki, grafana)
		}, "TMPRL1100"},
		{"another result", func(f *flow, p Arg) (string, error) {
			_, _ = five(f, p, stop, del, start, loki, grafana)
			return "Logs pipeline ready", nil
		}, "another result"},
		{"another timeout", func(f *flow, p Arg) (string, error) {
			f.spec.timeout = time.Minute
			return five(f, p, stop, del, start, loki, grafana)
		}, "another way"},
		{"another retry policy", func(f *flow, p Arg) (string, error) {
			f.spec.retry.MaximumAttempts = 5
			return five(f, p, stop, del, start, loki, grafana)
		}, "another way"},
		{"another input", func(f *flow, _ Arg) (string, error) { return five(f, Arg{}, stop, del, start, loki, grafana) }, "another way"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := replay(recorded(t, "LogsPipelineWorkflow"), func(r Registry) {
				r.RegisterWorkflowWithOptions(func(ctx workflow.Context, params Arg) (string, error) {
					return tc.run(begin(ctx, logsPipeline()), params)
				}, workflow.RegisterOptions{Name: "LogsPipelineWorkflow"})
			})
			if tc.tells == "" && err != nil {
				t.Errorf("it does not replay: %v", err)
			}
			if tc.tells != "" && (err == nil || !strings.Contains(err.Error(), tc.tells)) {
				t.Errorf("got %v, want an error with %q", err, tc.tells)
			}
		})
	}
}

func TestAChatSetupKeepsTheFolderItStartedWith(t *testing.T) {
	for _, s := range inHistory(recorded(t, "ChatSetupWorkflow")) {
		var p struct{ Context string }
		if err := json.Unmarshal([]byte(s.Input[0]), &p); err != nil {
			t.Fatal(err)
		}
		if p.Context != recordedContext {
			t.Errorf("%s was given the folder %q", s.Activity, p.Context)
		}
	}
}
