package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
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

func TestMain(m *testing.M) {
	code := m.Run()
	server.Stop()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

const examples = "../../examples/pipelines"

// call is one activity as it reached a worker.
type call struct {
	Activity string
	Args     []string // JSON, null when there is none
	Attempt  int32
}

// world answers the activities of one run and keeps what was asked of it.
type world struct {
	// register puts workflows on the environment.
	register func(Registrar)
	// answers by activity type: a JSON text for the result, an error, or a func(context.Context, call) (string, error).
	// An activity without one answers {}.
	answers map[string]any
	// late are activities that go on until the run is canceled, and succeed.
	late []string
	// prepare readies the environment before the run.
	prepare func(*testsuite.TestWorkflowEnvironment)

	mu    sync.Mutex
	calls []call
}

// outcome is what a run came to.
type outcome struct {
	Result   any
	Err      error
	Calls    []call
	Timers   []time.Duration
	Options  []workflow.ActivityOptions // of each activity that was scheduled
	Progress progress.Progress
}

func (w *world) act(ctx context.Context, args converter.EncodedValues) (converter.RawValue, error) {
	info := activity.GetInfo(ctx)
	c := call{Activity: info.ActivityType.Name, Attempt: info.Attempt}
	for _, p := range converter.GetPayloads(args).GetPayloads() {
		text := string(p.GetData())
		if text == "" {
			text = "null"
		}
		c.Args = append(c.Args, text)
	}
	w.mu.Lock()
	w.calls = append(w.calls, c)
	w.mu.Unlock()
	answer := "{}"
	switch a := w.answers[c.Activity].(type) {
	case string:
		answer = a
	case error:
		return converter.RawValue{}, a
	case func(context.Context, call) (string, error):
		var err error
		if answer, err = a(ctx, c); err != nil {
			return converter.RawValue{}, err
		}
	}
	p, err := converter.GetDefaultDataConverter().ToPayload(json.RawMessage(answer))
	return converter.NewRawValue(p), err
}

// run starts a workflow by its type, as a client in any language does, and waits for its end.
func (w *world) run(t *testing.T, workflowType string, args ...any) outcome {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	env := suite.NewTestWorkflowEnvironment()
	spy := &spy{late: w.late}
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{spy}})
	w.register(env)
	env.RegisterDynamicActivity(w.act, activity.DynamicRegisterOptions{})
	if w.prepare != nil {
		w.prepare(env)
	}
	env.ExecuteWorkflow(workflowType, args...)
	if !env.IsWorkflowCompleted() {
		t.Fatalf("%s did not complete", workflowType)
	}
	o := outcome{Err: env.GetWorkflowError(), Timers: spy.timers, Options: spy.options}
	w.mu.Lock()
	o.Calls = slices.Clone(w.calls)
	w.mu.Unlock()
	if o.Err == nil {
		if err := env.GetWorkflowResult(&o.Result); err != nil && !errors.Is(err, temporal.ErrNoData) {
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

// states lists the recorded steps as "state name".
func (o outcome) states() []string {
	states := []string{}
	for _, s := range o.Progress.Steps {
		states = append(states, fmt.Sprintf("%s %s", s.State, s.Name))
	}
	return states
}

// failed gives type and message of the application error a run ended with.
func (o outcome) failed(t *testing.T) (kind, message string) {
	t.Helper()
	var e *temporal.ApplicationError
	if !errors.As(o.Err, &e) {
		t.Fatalf("the run did not end with an application error: %v", o.Err)
	}
	return e.Type(), e.Message()
}

// spy notes what activities do not see of their own scheduling.
type spy struct {
	interceptor.WorkerInterceptorBase
	late    []string
	options []workflow.ActivityOptions
	timers  []time.Duration
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
	if slices.Contains(o.spy.late, activity) {
		future, answer := workflow.NewFuture(ctx)
		workflow.Go(ctx, func(ctx workflow.Context) {
			ctx.Done().Receive(ctx, nil)
			answer.SetValue(nil)
		})
		return future
	}
	return o.Next.ExecuteActivity(ctx, activity, args...)
}

func (o *spyOutbound) NewTimerWithOptions(ctx workflow.Context, d time.Duration, options workflow.TimerOptions) workflow.Future {
	o.spy.timers = append(o.spy.timers, d)
	return o.Next.NewTimerWithOptions(ctx, d, options)
}

// declared registers the definitions, given as file name and text.
func declared(t *testing.T, files map[string]string) func(Registrar) {
	t.Helper()
	reg := NewRegistry(load(t, files))
	return func(r Registrar) { Register(r, reg, Options{}) }
}

func load(t *testing.T, files map[string]string) *Set {
	t.Helper()
	set, err := Load(".", LoadOptions{FS: filesOf(files)})
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return set
}

func filesOf(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

// example reads one of the shipped definitions.
func example(t *testing.T, name string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(examples, name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{name + ".yaml": string(data)}
}

// play runs one definition.
func play(t *testing.T, text string, answers map[string]any, args ...any) outcome {
	t.Helper()
	w := &world{register: declared(t, map[string]string{"demo.yaml": text}), answers: answers}
	return w.run(t, "pipeline/demo", args...)
}

var errBroken = temporal.NewNonRetryableApplicationError("docker is not running", "DockerDown", nil)

// greeter does what the greeter plugin in examples does.
func greeter(_ context.Context, c call) (string, error) {
	var in struct{ Name string }
	if err := json.Unmarshal([]byte(c.Args[0]), &in); err != nil {
		return "", err
	}
	return fmt.Sprintf(`{"message":"Hello, %s!"}`, in.Name), nil
}
