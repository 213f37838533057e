package workflows

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"go.uber.org/goleak"

	"github.com/orch-host/orch/hostcore/progress"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// call is one activity as it reached a worker.
type call struct {
	Activity string
	Args     []string // JSON, null when there is none
	Attempt  int32
}

// world answers the activities of one run and keeps what was asked of it.
type world struct {
	options Options
	// answers by activity type: a JSON text for the result, an error, or a func(context.Context, call) (any, error).
	// An activity without one answers {}.
	answers map[string]any
	// late answers activities that wait for the run's cancellation, and only then fail.
	late map[string]error
	// lateAnswers are those of activities that succeed though the run was canceled meanwhile, as JSON.
	lateAnswers map[string]string
	// prepare readies the environment before the run.
	prepare func(*testsuite.TestWorkflowEnvironment)

	mu    sync.Mutex
	calls []call
}

// outcome is what a run came to.
type outcome struct {
	Result   string
	Err      error
	Calls    []call
	Timers   []time.Duration
	Options  []workflow.ActivityOptions // of each activity that was scheduled
	Progress progress.Progress
	Log      string
}

func (w *world) act(ctx context.Context, args converter.EncodedValues) (converter.RawValue, error) {
	info := activity.GetInfo(ctx)
	c := call{Activity: info.ActivityType.Name, Attempt: info.Attempt}
	decoded := make([]converter.RawValue, len(converter.GetPayloads(args).GetPayloads()))
	into := make([]any, len(decoded))
	for i := range decoded {
		into[i] = &decoded[i]
	}
	if err := args.Get(into...); err != nil {
		return converter.RawValue{}, err
	}
	for _, raw := range decoded {
		c.Args = append(c.Args, jsonText(raw.Payload().GetData()))
	}
	w.mu.Lock()
	w.calls = append(w.calls, c)
	w.mu.Unlock()
	var answer any = "{}"
	if a, ok := w.answers[c.Activity]; ok {
		answer = a
	}
	if fn, ok := answer.(func(context.Context, call) (any, error)); ok {
		var err error
		if answer, err = fn(ctx, c); err != nil {
			return converter.RawValue{}, err
		}
	}
	if err, ok := answer.(error); ok {
		return converter.RawValue{}, err
	}
	p, err := converter.GetDefaultDataConverter().ToPayload(json.RawMessage(answer.(string)))
	return converter.NewRawValue(p), err
}

func jsonText(data []byte) string {
	if len(data) == 0 {
		return "null"
	}
	return string(data)
}

// run starts a workflow by its type, as a client in any language does, and waits for its end.
func (w *world) run(t *testing.T, name string, args ...any) outcome {
	t.Helper()
	var logged logBuffer
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.NewTextHandler(&logged, nil))))
	env := suite.NewTestWorkflowEnvironment()
	spy := &spy{late: w.late, lateAnswers: w.lateAnswers}
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{spy}})
	if w.options.Stopping == nil {
		w.options.Stopping = func(context.Context, string) (bool, error) { return false, nil }
	}
	Register(env, w.options)
	env.RegisterDynamicActivity(w.act, activity.DynamicRegisterOptions{})
	if w.prepare != nil {
		w.prepare(env)
	}
	env.ExecuteWorkflow(name, args...)
	if !env.IsWorkflowCompleted() {
		t.Fatalf("%s did not complete", name)
	}
	o := outcome{Err: env.GetWorkflowError(), Timers: spy.timers, Options: spy.options, Log: logged.String()}
	w.mu.Lock()
	o.Calls = slices.Clone(w.calls)
	w.mu.Unlock()
	if o.Err == nil {
		if err := env.GetWorkflowResult(&o.Result); err != nil {
			t.Fatalf("read the result: %v", err)
		}
	}
	v, err := env.QueryWorkflow(progress.Query)
	if err != nil {
		t.Fatalf("query the progress: %v", err)
	}
	if err := v.Get(&o.Progress); err != nil {
		t.Fatalf("read the progress: %v", err)
	}
	return o
}

// logBuffer is written to by activities that outlive a canceled run.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// asked lists the activities that were called, each once however often it was tried.
func (o outcome) asked() []string {
	names := []string{}
	for _, c := range o.Calls {
		if c.Attempt == 1 {
			names = append(names, c.Activity)
		}
	}
	return names
}

// args returns the arguments of the first call of an activity.
func (o outcome) args(t *testing.T, activity string) []string {
	t.Helper()
	for _, c := range o.Calls {
		if c.Activity == activity {
			return c.Args
		}
	}
	t.Fatalf("%s was not called", activity)
	return nil
}

// step returns the last recorded step of that name.
func (o outcome) step(t *testing.T, name string) progress.Step {
	t.Helper()
	for _, s := range slices.Backward(o.Progress.Steps) {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("the progress has no step %s: %+v", name, o.Progress.Steps)
	return progress.Step{}
}

func (o outcome) states() []string {
	var states []string
	for _, s := range o.Progress.Steps {
		states = append(states, fmt.Sprintf("%s %s", s.State, s.Name))
	}
	return states
}

// failure is the text a person reads for a failed run.
func failure(t *testing.T, err error) string {
	t.Helper()
	var e *temporal.WorkflowExecutionError
	if !errors.As(err, &e) {
		t.Fatalf("the run did not fail: %v", err)
	}
	return message(errors.Unwrap(e))
}

// spy notes what activities do not see of their own scheduling.
type spy struct {
	interceptor.WorkerInterceptorBase
	late        map[string]error
	lateAnswers map[string]string
	options     []workflow.ActivityOptions
	timers      []time.Duration
}

func (s *spy) InterceptWorkflow(ctx workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return &spyInbound{interceptor.WorkflowInboundInterceptorBase{Next: next}, s}
}

type spyInbound struct {
	interceptor.WorkflowInboundInterceptorBase
	spy *spy
}

func (i *spyInbound) Init(out interceptor.WorkflowOutboundInterceptor) error {
	return i.Next.Init(&spyOutbound{interceptor.WorkflowOutboundInterceptorBase{Next: out}, i.spy})
}

type spyOutbound struct {
	interceptor.WorkflowOutboundInterceptorBase
	spy *spy
}

func (o *spyOutbound) ExecuteActivity(ctx workflow.Context, activity string, args ...any) workflow.Future {
	o.spy.options = append(o.spy.options, workflow.GetActivityOptions(ctx))
	err, fails := o.spy.late[activity]
	text, succeeds := o.spy.lateAnswers[activity]
	if !fails && !succeeds {
		return o.Next.ExecuteActivity(ctx, activity, args...)
	}
	future, answer := workflow.NewFuture(ctx)
	workflow.Go(ctx, func(ctx workflow.Context) {
		ctx.Done().Receive(ctx, nil)
		p, _ := converter.GetDefaultDataConverter().ToPayload(json.RawMessage(text)) // a test's own JSON
		answer.Set(converter.NewRawValue(p), err)
	})
	return future
}

func (o *spyOutbound) NewTimerWithOptions(ctx workflow.Context, d time.Duration, options workflow.TimerOptions) workflow.Future {
	o.spy.timers = append(o.spy.timers, d)
	return o.Next.NewTimerWithOptions(ctx, d, options)
}

var errBroken = temporal.NewNonRetryableApplicationError("docker is not running", "DockerDown", nil)
