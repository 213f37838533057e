package pipeline

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/orch-host/orch/hostcore/progress"
)

// echo answers with its first argument.
func echo(_ context.Context, c call) (string, error) { return c.Args[0], nil }

func TestARunGivesTheResultOfItsDefinition(t *testing.T) {
	cases := []struct {
		name, text string
		answers    map[string]any
		args       []any
		want       any
		asked      []string
	}{
		{name: "a step whose when is false is left out", text: `
steps:
  - {activity: a, when: params.go}
  - {activity: b, when: "${{ !params.go }}"}
  - {activity: c, when: false}
  - {activity: d, when: true}
`, args: []any{map[string]any{"go": true}}, asked: []string{"a", "d"}},
		{name: "a value that is one expression keeps its type, one inside text becomes text", text: `
vars: {n: 3, m: {k: [1, 2.5, null, true]}}
steps:
  - set:
      typed: ${{ vars.m }}
      text: "n=${{ vars.n }} m=${{ vars.m }} none=${{ null }} $${{ kept }}"
result:
  typed: ${{ vars.typed }}
  text: ${{ vars.text }}
  list: ["${{ vars.n + 1 }}", plain]
`, want: map[string]any{
			"typed": map[string]any{"k": []any{1.0, 2.5, nil, true}},
			"text":  `n=3 m={"k":[1,2.5,null,true]} none=null ${{ kept }}`,
			"list":  []any{4.0, "plain"},
		}},
		{name: "set evaluates everything before it changes anything", text: `
vars: {a: 1, b: 2}
steps:
  - set: {a: "${{ vars.b }}", b: "${{ vars.a }}"}
result: "${{ vars.a }} ${{ vars.b }}"
`, want: "2 1"},
		{name: "a number keeps its digits on the way through", text: `
steps:
  - {activity: echo, input: "${{ params.id }}", save: id}
result: ${{ text(vars.id) }}
`, answers: map[string]any{"echo": echo}, args: []any{map[string]any{"id": int64(9007199254740993)}}, want: "9007199254740993", asked: []string{"echo"}},
		{name: "several arguments reach the activity one by one", text: `
args: [a, b]
steps:
  - {activity: show, args: ["${{ params.a }}", "${{ params.?b.orValue(null) }}", {c: 1}], save: seen}
result: ${{ vars.seen }}
`, answers: map[string]any{"show": func(_ context.Context, c call) (string, error) {
			return fmt.Sprintf("%q", strings.Join(c.Args, " ")), nil
		}}, args: []any{"x", 2}, want: `"x" 2 {"c":1}`, asked: []string{"show"}},
		{name: "positional arguments may come as one object", text: `
args: [a, b]
result: "${{ params.a }}-${{ params.b }}"
steps: [{log: hello}]
`, args: []any{map[string]any{"a": 1, "b": 2}}, want: "1-2"},
		{name: "defaults of params are filled in at every depth", text: `
params:
  properties:
    port: {type: integer, default: 3000}
    db: {type: object, default: {}, properties: {host: {type: string, default: localhost}}}
steps: [{log: hello}]
result: "${{ params.port + 1 }} ${{ params.db.host }}"
`, want: "3001 localhost"},
		{name: "foreach keeps the order of its items, whatever runs beside what", text: `
steps:
  - foreach: [3, 1, 2]
    as: n
    max_parallel: 3
    steps:
      - {activity: echo, input: "${{ vars.base + n * 10 + index }}", save: out}
    collect: ${{ vars.out }}
    save: all
vars: {base: 100}
result: ${{ vars.all }}
`, answers: map[string]any{"echo": echo}, want: []any{130.0, 111.0, 122.0}, asked: []string{"echo", "echo", "echo"}},
		{name: "an item has its variables to itself", text: `
vars: {x: outside}
steps:
  - foreach: [1, 2]
    steps:
      - set: {x: "${{ vars.x + string(item) }}"}
    collect: ${{ vars.x }}
    save: seen
result: "${{ vars.x }} ${{ vars.seen }}"
`, want: `outside ["outside1","outside2"]`},
		{name: "foreach over nothing collects nothing", text: `
steps:
  - foreach: params.?hosts
    steps: [{activity: never}]
    collect: ${{ item }}
    save: seen
result: ${{ vars.seen }}
`, args: []any{map[string]any{}}, want: []any{}},
		{name: "foreach inside foreach sees both items", text: `
steps:
  - foreach: [a, b]
    as: outer
    steps:
      - foreach: [1, 2]
        as: inner
        steps: [{set: {x: 0}}]
        collect: ${{ outer + string(inner) }}
        save: row
    collect: ${{ vars.row }}
    save: rows
result: ${{ flatten(vars.rows) }}
`, want: []any{"a1", "a2", "b1", "b2"}},
		{name: "a return ends the pipeline from inside a foreach", text: `
steps:
  - foreach: [1, 2, 3]
    steps:
      - {activity: look, input: "${{ item }}"}
      - {when: item == 2, return: "found ${{ item }}"}
  - activity: never
`, want: "found 2", asked: []string{"look", "look"}},
		{name: "branches run beside each other and share the variables", text: `
steps:
  - parallel:
      - {activity: echo, input: one, save: a}
      - steps:
          - {activity: echo, input: two, save: b}
          - set: {c: "${{ vars.b }}!"}
result: "${{ vars.a }} ${{ vars.b }} ${{ vars.c }}"
`, answers: map[string]any{"echo": echo}, want: "one two two!", asked: []string{"echo", "echo"}},
		{name: "catch handles a failure and knows what it was", text: `
steps:
  - id: up
    activity: broken
    catch:
      - set: {why: "${{ error.type }}: ${{ error.message }} in ${{ error.step }}"}
  - activity: after
result: ${{ vars.why }}
`, answers: map[string]any{"broken": errBroken}, want: "DockerDown: docker is not running in up", asked: []string{"broken", "after"}},
		{name: "catch of a group handles what fails inside", text: `
steps:
  - steps:
      - activity: broken
      - activity: never
    catch: {return: "caught ${{ error.step }}"}
`, answers: map[string]any{"broken": errBroken}, want: "caught broken", asked: []string{"broken"}},
		{name: "catch handles an expression that fails", text: `
steps:
  - steps: [{set: {x: "${{ params.missing.deep }}"}}]
    catch: {return: "${{ error.type }}"}
`, args: []any{map[string]any{}}, want: "ExpressionFailed"},
		{name: "details of a failure can be read", text: `
steps:
  - activity: broken
    catch: {return: "port ${{ error.details.port }}"}
`, answers: map[string]any{"broken": temporal.NewNonRetryableApplicationError("taken", "Busy", nil, map[string]any{"port": 80})},
			want: "port 80", asked: []string{"broken"}},
		{name: "on_failure may turn a failure into a result", text: `
steps: [{activity: broken}]
on_failure: {return: "sorry: ${{ error.message }}"}
`, answers: map[string]any{"broken": errBroken}, want: "sorry: docker is not running", asked: []string{"broken"}},
		{name: "sleep takes text, seconds and expressions", text: `
steps: [{sleep: 90s}, {sleep: 1.5}, {sleep: "${{ duration('2m') }}"}, {sleep: "${{ params.wait }}"}]
result: done
`, args: []any{map[string]any{"wait": "1h"}}, want: "done"},
		{name: "a run knows itself", text: `
steps: [{log: "on ${{ workflow.task_queue }} since ${{ workflow.started }} now ${{ now }}"}]
result: ${{ workflow.type + " " + string(now > timestamp('2000-01-01T00:00:00Z')) }}
`, want: "pipeline/demo true"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			o := play(t, c.text, c.answers, c.args...)
			if o.Err != nil {
				t.Fatalf("the run failed: %v", o.Err)
			}
			if diff := cmp.Diff(c.want, o.Result); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(append([]string{}, c.asked...), o.asked()); diff != "" {
				t.Errorf("activities (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSleepsTakeTheTimeTheyName(t *testing.T) {
	o := play(t, `steps: [{sleep: 90s}, {sleep: 1.5}, {sleep: "${{ duration('2m') }}"}, {sleep: "${{ params.wait }}"}]`, nil, map[string]any{"wait": 3})
	want := []time.Duration{90 * time.Second, 1500 * time.Millisecond, 2 * time.Minute, 3 * time.Second}
	if diff := cmp.Diff(want, o.Timers); diff != "" {
		t.Errorf("sleeps (-want +got):\n%s", diff)
	}
}

func TestARunFailsWithATypeAndAReason(t *testing.T) {
	cases := []struct {
		name, text string
		answers    map[string]any
		args       []any
		kind       string
		says       []string
	}{
		{name: "a failed activity fails the run as itself", text: `steps: [{activity: broken}]`,
			answers: map[string]any{"broken": errBroken}, kind: "DockerDown", says: []string{"docker is not running"}},
		{name: "fail carries message and type", text: `steps: [{fail: {message: "no url for ${{ params.app }}", type: NothingToCheck}}]`,
			args: []any{map[string]any{"app": "demo"}}, kind: "NothingToCheck", says: []string{"no url for demo"}},
		{name: "fail without a type has one", text: `steps: [{fail: enough}]`, kind: ErrPipelineFailed, says: []string{"enough"}},
		{name: "a failure in catch is the failure of the step", text: `steps: [{activity: broken, catch: {fail: "worse: ${{ error.message }}"}}]`,
			answers: map[string]any{"broken": errBroken}, kind: ErrPipelineFailed, says: []string{"worse: docker is not running"}},
		{name: "on_failure without a return leaves the failure", text: "steps: [{activity: broken}]\non_failure: [{activity: tell}]",
			answers: map[string]any{"broken": errBroken}, kind: "DockerDown", says: []string{"docker is not running"}},
		{name: "params that do not fit are all named", text: `
params:
  required: [name]
  additionalProperties: false
  properties: {name: {type: string}, port: {type: integer, maximum: 65535}}
steps: [{activity: never}]
`, args: []any{map[string]any{"port": "x", "prot": 1}}, kind: ErrInvalidParams,
			says: []string{"params: missing property 'name'", "params.port: got string, want integer", "'prot' not allowed; known: name, port"}},
		{name: "too many arguments are refused", text: "args: [a]\nsteps: [{activity: never}]", args: []any{1, 2},
			kind: ErrInvalidParams, says: []string{"at most 1 arguments are expected (a)"}},
		{name: "an expression that cannot be evaluated names its place", text: `steps: [{set: {x: "${{ params.a.b }}"}}]`,
			args: []any{map[string]any{}}, kind: ErrExpression, says: []string{"steps[0].set.x", "params.a.b", "no such key: a"}},
		{name: "a when that is neither true nor false says how to ask", text: `steps: [{when: params.n, activity: never}]`,
			args: []any{map[string]any{"n": 1}}, kind: ErrExpression, says: []string{"must be true or false", "an integer", "falsy(x)"}},
		{name: "a foreach over an object says how to walk it", text: `steps: [{foreach: params, steps: [{activity: never}]}]`,
			args: []any{map[string]any{"n": 1}}, kind: ErrExpression, says: []string{"must be a list, it is an object", "entries(m)"}},
		{name: "a sleep that is no duration is refused", text: `steps: [{sleep: "${{ params.wait }}"}]`,
			args: []any{map[string]any{"wait": "soon"}}, kind: ErrExpression, says: []string{"a duration such as 30s", "soon"}},
		{name: "an input that is too large is refused before the server refuses it", text: `steps: [{activity: never, input: "${{ params.big + params.big }}"}]`,
			args: []any{map[string]any{"big": strings.Repeat("x", 1<<20)}}, kind: ErrTooLarge, says: []string{"the input of never", "2048 KiB"}},
		{name: "an activity that calls itself canceled does not make the run look canceled", text: `steps: [{activity: odd}]`,
			answers: map[string]any{"odd": temporal.NewCanceledError()}, kind: ErrActivityCanceled, says: []string{"though the pipeline was not"}},
		{name: "an expression that costs too much is stopped", text: `steps: [{set: {x: "${{ range(2000).map(a, range(2000).map(b, a * b)) }}"}}]`,
			kind: ErrExpression, says: []string{"cost limit exceeded"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			o := play(t, c.text, c.answers, c.args...)
			kind, text := o.failed(t)
			if kind != c.kind {
				t.Errorf("type %s, want %s", kind, c.kind)
			}
			for _, want := range c.says {
				if !strings.Contains(text, want) {
					t.Errorf("message %q does not say %q", text, want)
				}
			}
			if o.Progress.State != progress.Failed || !strings.Contains(o.Progress.Error, c.says[0]) {
				t.Errorf("progress: %+v", o.Progress)
			}
			for _, a := range o.asked() {
				if a == "never" {
					t.Error("an activity ran that never should")
				}
			}
		})
	}
}

func TestWhatWasDoneIsTakenBackLastThingsFirst(t *testing.T) {
	o := play(t, `
steps:
  - activity: start_a
    save: a
    compensate: {activity: stop, input: "a ${{ vars.a }}"}
  - foreach: [x, y]
    steps:
      - activity: start_b
        compensate: [{activity: stop, input: "${{ item }}"}, {activity: stop, input: "${{ item }} again"}]
  - activity: left_out
    when: false
    compensate: {activity: stop, input: never}
  - activity: broken
    compensate: {activity: stop, input: never}
on_failure:
  - activity: tell
`, map[string]any{"start_a": `"A"`, "broken": errBroken})
	var stopped []string
	for _, c := range o.Calls {
		if c.Activity == "stop" {
			stopped = append(stopped, c.Args[0])
		}
	}
	if diff := cmp.Diff([]string{`"y"`, `"y again"`, `"x"`, `"x again"`, `"a A"`}, stopped); diff != "" {
		t.Errorf("taken back (-want +got):\n%s", diff)
	}
	if last := o.asked()[len(o.asked())-1]; last != "tell" {
		t.Errorf("the last activity is %s, on_failure comes after compensation", last)
	}
	if kind, _ := o.failed(t); kind != "DockerDown" {
		t.Errorf("the run failed with %s", kind)
	}
}

func TestCompensationFromTheStartTakesBackAStepThatFailed(t *testing.T) {
	o := play(t, `
steps:
  - activity: broken
    compensate: {activity: stop}
    compensate_when: started
`, map[string]any{"broken": errBroken})
	if diff := cmp.Diff([]string{"broken", "stop"}, o.asked()); diff != "" {
		t.Errorf("activities (-want +got):\n%s", diff)
	}
}

func TestWhatCannotBeTakenBackStandsInTheFailure(t *testing.T) {
	o := play(t, `
steps:
  - {activity: a, compensate: {activity: undo_a}}
  - {activity: b, compensate: {activity: undo_b}}
  - activity: broken
`, map[string]any{"broken": errBroken, "undo_b": temporal.NewNonRetryableApplicationError("b is stuck", "Stuck", nil)})
	kind, text := o.failed(t)
	if want := "docker is not running; taking back what this run did failed too: b: b is stuck"; kind != ErrCompensationFailed || text != want {
		t.Errorf("failed with %s: %s, want %s", kind, text, want)
	}
	if diff := cmp.Diff([]string{"a", "b", "broken", "undo_b", "undo_a"}, o.asked()); diff != "" {
		t.Errorf("compensation must go on after a failure (-want +got):\n%s", diff)
	}
}

// until is an activity that ends when it is told to, or with the test: the test environment neither waits for a canceled
// activity nor tells it. That a run waits is shown on a server, in live_test.go.
func until(over <-chan struct{}) func(context.Context, call) (string, error) {
	return func(ctx context.Context, _ call) (string, error) {
		select {
		case <-ctx.Done():
		case <-over:
		}
		return "", temporal.NewCanceledError()
	}
}

func TestACanceledRunEndsCanceledAfterTakingBackWhatItDid(t *testing.T) {
	over := make(chan struct{})
	defer close(over)
	w := &world{
		register: declared(t, map[string]string{"demo.yaml": `
steps:
  - {activity: start, compensate: {activity: stop}}
  - {activity: wait, catch: {activity: never}}
  - activity: later
on_failure: {activity: never}
`}),
		answers: map[string]any{"wait": until(over)},
		prepare: func(env *testsuite.TestWorkflowEnvironment) {
			env.RegisterDelayedCallback(env.CancelWorkflow, time.Second)
		},
	}
	o := w.run(t, "pipeline/demo")
	if !temporal.IsCanceledError(o.Err) {
		t.Errorf("the run ended with %v, want canceled", o.Err)
	}
	if diff := cmp.Diff([]string{"start", "wait", "stop"}, o.asked()); diff != "" {
		t.Errorf("activities (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"ok start", "canceled wait", "skipped later", "ok stop"}, o.states()); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	if o.Progress.State != progress.Canceled {
		t.Errorf("progress is %s", o.Progress.State)
	}
}

func TestARunCanceledInItsLastStepEndsCanceledThoughTheStepSucceeds(t *testing.T) {
	w := &world{
		register: declared(t, map[string]string{"demo.yaml": "result: done\nsteps:\n  - {activity: start, compensate: {activity: stop}}\n  - activity: last\n"}),
		late:     []string{"last"},
		prepare: func(env *testsuite.TestWorkflowEnvironment) {
			env.RegisterDelayedCallback(env.CancelWorkflow, time.Second)
		},
	}
	o := w.run(t, "pipeline/demo")
	if !temporal.IsCanceledError(o.Err) || o.Progress.State != progress.Canceled {
		t.Errorf("the run ended with %v, %v, %s, want canceled", o.Result, o.Err, o.Progress.State)
	}
	if diff := cmp.Diff([]string{"start", "stop"}, o.asked()); diff != "" {
		t.Errorf("activities (-want +got):\n%s", diff)
	}
}

func TestACanceledSleepEndsCanceled(t *testing.T) {
	w := &world{
		register: declared(t, map[string]string{"demo.yaml": "steps: [{id: nap, sleep: 1h}, {activity: never}]"}),
		prepare: func(env *testsuite.TestWorkflowEnvironment) {
			env.RegisterDelayedCallback(env.CancelWorkflow, time.Minute)
		},
	}
	o := w.run(t, "pipeline/demo")
	if !temporal.IsCanceledError(o.Err) || o.Progress.State != progress.Canceled || len(o.Calls) > 0 {
		t.Errorf("ended with %v, %s, calls %v", o.Err, o.Progress.State, o.Calls)
	}
}

func TestABranchThatFailsCancelsTheOthersAndWaitsForThem(t *testing.T) {
	release, over := make(chan struct{}), make(chan struct{})
	defer close(over)
	o := play(t, `
steps:
  - parallel:
      - {activity: wait, compensate: {activity: stop_wait}, compensate_when: started}
      - activity: broken
    catch:
      - set: {why: "${{ error.message }}"}
result: ${{ vars.why }}
`, map[string]any{
		"wait": func(ctx context.Context, c call) (string, error) {
			close(release)
			return until(over)(ctx, c)
		},
		"broken": func(context.Context, call) (string, error) { <-release; return "", errBroken },
	})
	if o.Err != nil || o.Result != "docker is not running" {
		t.Errorf("ended with %v, %v", o.Result, o.Err)
	}
	if diff := cmp.Diff([]string{"canceled wait", "failed broken"}, o.states()); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}

func TestNoMoreThanMaxParallelItemsRunAtATime(t *testing.T) {
	var running, most atomic.Int32
	o := play(t, `
steps:
  - id: each
    foreach: range(9)
    max_parallel: 3
    steps: [{activity: work, input: "${{ item }}"}]
`, map[string]any{"work": func(context.Context, call) (string, error) {
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(5 * time.Millisecond) // gives a fourth item the time to show itself
		return "null", nil
	}})
	if o.Err != nil || len(o.Calls) != 9 {
		t.Errorf("%d calls, %v", len(o.Calls), o.Err)
	}
	if most.Load() > 3 {
		t.Errorf("%d items ran at a time", most.Load())
	}
	if got := o.states()[:2]; got[0] != "ok each" || got[1] != "ok each[0].work" {
		t.Errorf("progress begins with %v", got)
	}
}

func TestAnActivityIsTriedAsOftenAsTheFileSays(t *testing.T) {
	o := play(t, `
steps:
  - activity: flaky
    retry: {attempts: 4, non_retryable: [Fatal]}
`, map[string]any{"flaky": temporal.NewApplicationError("again", "Flaky")})
	if len(o.Calls) != 4 || o.Progress.Steps[0].Error != "again" {
		t.Errorf("%d calls, progress %+v", len(o.Calls), o.Progress.Steps[0])
	}
}

func TestOptionsOfTheFileReachTheServer(t *testing.T) {
	o := play(t, `
defaults: {timeout: 2m, heartbeat: 10s, retry: {attempts: 5}, queue: shared}
steps:
  - {activity: a}
  - {activity: b, timeout: 20s, heartbeat: none, queue: "${{ params.q }}", retry: {attempts: unlimited, backoff: 1.5, initial: 2s, max: 30s, non_retryable: [Fatal]}}
`, nil, map[string]any{"q": "own"})
	if o.Err != nil {
		t.Fatal(o.Err)
	}
	a, b := o.Options[0], o.Options[1]
	if a.StartToCloseTimeout != 2*time.Minute || a.HeartbeatTimeout != 10*time.Second || a.TaskQueue != "shared" || !a.WaitForCancellation {
		t.Errorf("a: %+v", a)
	}
	if diff := cmp.Diff(&temporal.RetryPolicy{InitialInterval: time.Second, MaximumInterval: 10 * time.Second, BackoffCoefficient: 2, MaximumAttempts: 5}, a.RetryPolicy); diff != "" {
		t.Errorf("retry of a (-want +got):\n%s", diff)
	}
	if b.StartToCloseTimeout != 20*time.Second || b.HeartbeatTimeout != 0 || b.TaskQueue != "own" {
		t.Errorf("b: %+v", b)
	}
	want := &temporal.RetryPolicy{InitialInterval: 2 * time.Second, MaximumInterval: 30 * time.Second, BackoffCoefficient: 1.5, NonRetryableErrorTypes: []string{"Fatal"}}
	if diff := cmp.Diff(want, b.RetryPolicy); diff != "" {
		t.Errorf("retry of b (-want +got):\n%s", diff)
	}
}

func TestAStepWithoutOptionsGetsThoseOfTheContract(t *testing.T) {
	o := play(t, `steps: [{activity: a}]`, nil)
	got := o.Options[0]
	if got.StartToCloseTimeout != 5*time.Minute || got.HeartbeatTimeout != 30*time.Second || !got.WaitForCancellation {
		t.Errorf("options: %+v", got)
	}
	want := &temporal.RetryPolicy{InitialInterval: time.Second, MaximumInterval: 10 * time.Second, BackoffCoefficient: 2, MaximumAttempts: 3}
	if diff := cmp.Diff(want, got.RetryPolicy); diff != "" {
		t.Errorf("retry (-want +got):\n%s", diff)
	}
}

func TestAnUnknownPipelineIsRefusedWithTheKnownOnes(t *testing.T) {
	w := &world{register: declared(t, map[string]string{"database.yaml": "steps: [{activity: a}]", "metrics.yaml": "steps: [{activity: a}]"})}
	for _, unknown := range []string{"pipeline/databse", "SomethingElse"} {
		o := w.run(t, unknown)
		kind, text := o.failed(t)
		if kind != ErrUnknownPipeline || !strings.Contains(text, unknown) || !strings.Contains(text, "pipeline/database, pipeline/metrics") {
			t.Errorf("%s: %s: %s", unknown, kind, text)
		}
		if o.Progress.State != progress.Failed {
			t.Errorf("progress: %+v", o.Progress)
		}
	}
}

func TestABrokenPipelineSaysWhatIsWrongWithItsFile(t *testing.T) {
	set, err := Load(".", LoadOptions{FS: filesOf(map[string]string{"demo.yaml": "steps: [{actvity: a}]"})})
	if err == nil {
		t.Fatal("the file loaded")
	}
	w := &world{register: func(r Registrar) { Register(r, NewRegistry(set), Options{}) }}
	kind, text := w.run(t, "pipeline/demo").failed(t)
	if kind != ErrInvalidPipeline || !strings.Contains(text, `demo.yaml:1:9: steps[0]: the step does nothing`) || !strings.Contains(text, `did you mean "activity"?`) {
		t.Errorf("%s: %s", kind, text)
	}
}

func TestProgressOfACompletedRunThatTellsOfAFailureIsFailed(t *testing.T) {
	if o := play(t, `steps: [{return: "Error: no"}]`, nil); o.Progress.State != progress.Failed || o.Progress.Result != "Error: no" {
		t.Errorf("progress: %+v", o.Progress)
	}
	if o := play(t, `steps: [{return: {a: 1}}]`, nil); o.Progress.State != progress.OK || o.Progress.Result != `{"a":1}` {
		t.Errorf("progress: %+v", o.Progress)
	}
}
