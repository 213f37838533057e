package sdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/orch-host/orch/sdk"
	"github.com/orch-host/orch/sdk/pluginv1"
	"github.com/orch-host/orch/sdk/sdktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type input struct {
	ServiceName string   `json:"service_name"`
	Paths       []string `json:"paths,omitempty"`
	Count       int      `json:"count,omitempty"`
}

func plugin(activities ...sdk.ActivityDef) sdk.Plugin {
	return sdk.Plugin{Name: "trial", Version: "1.2.3", Activities: activities}
}

func echo(_ context.Context, in input) (input, error) { return in, nil }

func TestAnInputIsFilledByKeysOrByPosition(t *testing.T) {
	h := sdktest.Start(t, plugin(sdk.Activity("echo", "Echoes.", echo)))
	tests := []struct {
		name string
		args []any
		want input
		fail string
	}{
		{name: "an object fills by keys", args: []any{map[string]any{"service_name": "a", "count": 2}}, want: input{ServiceName: "a", Count: 2}},
		{name: "unknown keys are ignored", args: []any{map[string]any{"service_name": "a", "later": true}}, want: input{ServiceName: "a"}},
		{name: "a string fills the first field", args: []any{"a"}, want: input{ServiceName: "a"}},
		{name: "several arguments fill in order", args: []any{"a", []string{"x", "y"}, 3}, want: input{ServiceName: "a", Paths: []string{"x", "y"}, Count: 3}},
		{name: "a missing required field is named", args: []any{map[string]any{"count": 1}}, fail: `lacks the required field "service_name"`},
		{name: "no argument at all lacks the required field", fail: `lacks the required field "service_name"`},
		{name: "null lacks the required field", args: []any{nil}, fail: `lacks the required field "service_name"`},
		{name: "too many arguments are refused", args: []any{"a", nil, 1, 2}, fail: "got 4 positional arguments, want at most 3"},
		{name: "a wrong type names the field", args: []any{map[string]any{"service_name": 7}}, fail: `input field "service_name" is a JSON number, want string`},
		{name: "a wrong position names the argument", args: []any{"a", "b"}, fail: "argument 2 (paths)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := h.Execute(sdktest.Call{Activity: "echo", Args: tt.args})
			if tt.fail != "" {
				if !strings.Contains(o.Failure.GetMessage(), tt.fail) || o.Failure.GetType() != sdk.TypeInvalidInput || !o.Failure.GetNonRetryable() {
					t.Fatalf("got failure %v, want a non-retryable %s with %q", o.Failure, sdk.TypeInvalidInput, tt.fail)
				}
				return
			}
			var got input
			if err := o.Decode(&got); err != nil {
				t.Fatal(err, o.Failure)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnErrorKeepsWhatAWorkflowDecidesBy(t *testing.T) {
	fail := func(err error) sdk.ActivityDef {
		return sdk.Activity("fail", "Fails.", func(context.Context, struct{}) (string, error) { return "", err })
	}
	base := errors.New("no route")
	tests := []struct {
		name string
		err  error
		want *pluginv1.Failure
	}{
		{"a plain error is retryable", base, &pluginv1.Failure{Type: "Error", Message: "no route"}},
		{"a typed one keeps its type", sdk.Fail("Taken", "name %q: %w", "x", base), &pluginv1.Failure{Type: "Taken", Message: `name "x": no route`}},
		{"wrapping keeps type and text", fmt.Errorf("deploy: %w", sdk.Fail("Taken", "taken")), &pluginv1.Failure{Type: "Taken", Message: "deploy: taken"}},
		{"final stays final when wrapped", fmt.Errorf("a: %w", sdk.NonRetryable(base)), &pluginv1.Failure{Type: "Error", Message: "a: no route", NonRetryable: true}},
		{"a typed error can be final", sdk.NonRetryable(sdk.Fail("Auth", "bad token")), &pluginv1.Failure{Type: "Auth", Message: "bad token", NonRetryable: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := sdktest.Start(t, plugin(fail(tt.err)))
			got := h.Execute(sdktest.Call{Activity: "fail"}).Failure
			if got.GetType() != tt.want.GetType() || got.GetMessage() != tt.want.GetMessage() || got.GetNonRetryable() != tt.want.GetNonRetryable() {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	t.Run("a retry delay travels", func(t *testing.T) {
		h := sdktest.Start(t, plugin(fail(sdk.RetryAfter(base, 42*time.Second))))
		if d := h.Execute(sdktest.Call{Activity: "fail"}).Failure.GetNextRetryDelay().AsDuration(); d != 42*time.Second {
			t.Errorf("got %v, want 42s", d)
		}
	})
}

func TestAPanicFailsOneAttemptWithItsStack(t *testing.T) {
	h := sdktest.Start(t, plugin(
		sdk.Activity("explode", "Panics.", func(context.Context, struct{}) (string, error) { panic("boom") }),
		sdk.Activity("echo", "Echoes.", echo)))
	f := h.Execute(sdktest.Call{Activity: "explode"}).Failure
	if f.GetType() != sdk.TypePanic || !strings.Contains(f.GetMessage(), "boom") || !strings.Contains(f.GetStack(), "sdk_test.go") || f.GetNonRetryable() {
		t.Errorf("got %v, want a retryable panic with the stack", f)
	}
	h.Run("echo", "still here")
}

func TestACancelledAttemptMayCleanUpAndAnswer(t *testing.T) {
	started := make(chan struct{})
	h := sdktest.Start(t, plugin(sdk.Activity("wait", "Waits.", func(ctx context.Context, _ struct{}) (string, error) {
		close(started)
		<-ctx.Done()
		clean, cancel := sdk.Cleanup(ctx)
		defer cancel()
		if clean.Err() != nil {
			return "", errors.New("the clean-up context is already over")
		}
		if ends, ok := clean.Deadline(); !ok || time.Until(ends) > time.Minute {
			return "", fmt.Errorf("the clean-up context ends %v", ends)
		}
		return context.Cause(ctx).Error(), nil
	})))
	a := h.Begin(sdktest.Call{Activity: "wait"})
	<-started
	a.Cancel(pluginv1.Cancel_DRAIN, time.Minute)
	if got := string(a.Wait().Result); !strings.Contains(got, "drain") {
		t.Errorf("got %s, want the reason of the cancellation", got)
	}
}

func TestACancelledAttemptThatGivesUpIsReportedAsCancelled(t *testing.T) {
	started := make(chan struct{})
	h := sdktest.Start(t, plugin(sdk.Activity("wait", "Waits.", func(ctx context.Context, _ struct{}) (string, error) {
		close(started)
		<-ctx.Done()
		return "", ctx.Err()
	})))
	a := h.Begin(sdktest.Call{Activity: "wait"})
	<-started
	a.Cancel(pluginv1.Cancel_REQUESTED, time.Minute)
	if f := a.Wait().Failure; !f.GetCanceled() {
		t.Errorf("got %v, want it marked cancelled", f)
	}
}

func TestHeartbeatsProgressAndLogsReachTheHost(t *testing.T) {
	release := make(chan struct{})
	h := sdktest.Start(t, plugin(sdk.Activity("work", "Works.", func(ctx context.Context, _ struct{}) (string, error) {
		last, ok := sdk.LastHeartbeat[map[string]int](ctx)
		sdk.Heartbeat(ctx, map[string]int{"at": last["at"] + 1})
		sdk.Progress(ctx, "halfway", 1, 2)
		sdk.Logger(ctx).With("k", "v").WithGroup("g").Info("hello", slog.Int("n", 7))
		<-release
		return fmt.Sprintf("%v %d %s", ok, sdk.GetInfo(ctx).Attempt, sdk.GetInfo(ctx).IdempotencyKey), nil
	})))
	a := h.Begin(sdktest.Call{Activity: "work", LastHeartbeat: map[string]int{"at": 41}, HeartbeatTimeout: 60 * time.Millisecond, Attempt: 2, RunID: "run"})
	time.AfterFunc(200*time.Millisecond, func() { close(release) })
	o := a.Wait()
	if o.Ticks == 0 {
		t.Error("no tick came by itself")
	}
	if len(o.Heartbeats) == 0 || string(o.Heartbeats[len(o.Heartbeats)-1]) != `{"at":42}` {
		t.Errorf("heartbeat details: got %s, want at=42", o.Heartbeats)
	}
	if len(o.Progress) == 0 || o.Progress[0].GetMessage() != "halfway" || o.Progress[0].GetTotal() != 2 {
		t.Errorf("progress: got %v", o.Progress)
	}
	if len(o.Logs) != 1 || o.Logs[0].GetMessage() != "hello" || o.Logs[0].GetFields()["k"] != "v" || o.Logs[0].GetFields()["g.n"] != "7" {
		t.Errorf("logs: got %v", o.Logs)
	}
	if string(o.Result) != `"true 2 run/1"` {
		t.Errorf("result: got %s", o.Result)
	}
}

func TestAFloodOfLogsNeitherBlocksNorGrows(t *testing.T) {
	const lines = 100_000
	h := sdktest.Start(t, plugin(sdk.Activity("flood", "Logs.", func(ctx context.Context, _ struct{}) (int, error) {
		log := sdk.Logger(ctx)
		for i := range lines {
			log.Info("line", "i", i)
		}
		sdk.Logger(ctx).Info("end")
		return lines, nil
	})))
	o := h.Run("flood")
	var dropped uint64
	for _, l := range o.Logs {
		dropped += l.GetDropped()
	}
	if len(o.Logs)+int(dropped) < lines-300 {
		t.Errorf("%d arrived and %d were counted as dropped: some vanished", len(o.Logs), dropped)
	}
}

func TestAResultOverTemporalsLimitIsRefusedWithAdvice(t *testing.T) {
	h := sdktest.Start(t, plugin(sdk.Activity("big", "Big.", func(context.Context, struct{}) (string, error) {
		return strings.Repeat("x", 3<<20), nil
	})))
	f := h.Execute(sdktest.Call{Activity: "big"}).Failure
	if f.GetType() != sdk.TypeResultTooLarge || !f.GetNonRetryable() {
		t.Errorf("got %v", f)
	}
}

func TestConcurrencyIsLimitedPerActivity(t *testing.T) {
	release := make(chan struct{})
	started := make(chan struct{}, 8)
	h := sdktest.Start(t, plugin(sdk.Activity("one", "One at a time.", func(context.Context, struct{}) (string, error) {
		started <- struct{}{}
		<-release
		return "", nil
	}, sdk.MaxConcurrent(1))))
	first := h.Begin(sdktest.Call{Activity: "one"})
	<-started
	if f := h.Execute(sdktest.Call{Activity: "one"}).Failure; f.GetType() != sdk.TypeBusy || f.GetNextRetryDelay().AsDuration() <= 0 {
		t.Errorf("got %v, want a busy failure with a delay", f)
	}
	close(release)
	first.Wait()
}

func TestDrainLetsRunningAttemptsFinish(t *testing.T) {
	release := make(chan struct{})
	started := make(chan struct{})
	h := sdktest.Start(t, plugin(sdk.Activity("slow", "Slow.", func(context.Context, struct{}) (string, error) {
		close(started)
		<-release
		return "done", nil
	}), sdk.Activity("echo", "Echoes.", echo)))
	a := h.Begin(sdktest.Call{Activity: "slow"})
	<-started
	drain, err := h.Client.Drain(t.Context(), &pluginv1.DrainRequest{Deadline: durationpb.New(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := drain.Recv(); err != nil || p.GetInFlight() != 1 {
		t.Fatalf("got %v, %v, want one in flight", p, err)
	}
	if f := h.Execute(sdktest.Call{Activity: "echo", Args: []any{"x"}}).Failure; f.GetType() != sdk.TypeDraining {
		t.Errorf("a new attempt got %v, want to be refused", f)
	}
	close(release)
	if got := string(a.Wait().Result); got != `"done"` {
		t.Errorf("the running attempt got %s", got)
	}
	for {
		p, err := drain.Recv()
		if err != nil {
			t.Fatalf("the drain ended before it reached 0: %v", err)
		}
		if p.GetInFlight() == 0 {
			break
		}
	}
}

type configTable struct {
	Image  string       `json:"image,omitempty"`
	Wait   sdk.Duration `json:"wait,omitempty"`
	Token  sdk.Secret   `json:"token,omitempty"`
	Nested struct {
		Port int `json:"port,omitempty"`
	} `json:"nested,omitempty"`
}

func TestAConfigurationIsRefusedWithThePathOfTheKey(t *testing.T) {
	var got configTable
	p := plugin(sdk.Activity("echo", "Echoes.", echo))
	p.Config = sdk.Config(func(_ context.Context, c configTable) error {
		if c.Nested.Port < 0 {
			return errors.Join(sdk.ConfigProblem("nested.port", "%d is no port", c.Nested.Port), sdk.ConfigProblem("image", "missing"))
		}
		got = c
		return nil
	})
	h := sdktest.Start(t, p, sdktest.Config(map[string]any{"wait": "30s", "token": "s3cret"}))
	if got.Token.Reveal() != "s3cret" || time.Duration(got.Wait) != 30*time.Second {
		t.Errorf("got %+v", got)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", got, got, got, got.Token); strings.Contains(text, "s3cret") {
		t.Errorf("a secret printed: %s", text)
	}
	if js, _ := json.Marshal(got); strings.Contains(string(js), "s3cret") {
		t.Errorf("a secret was written as JSON: %s", js)
	}
	tests := []struct {
		name  string
		table any
		want  []string
	}{
		{"an unknown key", map[string]any{"imgae": "x"}, []string{"imgae: unknown key"}},
		{"a wrong type", map[string]any{"nested": map[string]any{"port": "x"}}, []string{"nested.port: is a string, want int"}},
		{"a bad duration", map[string]any{"wait": "soon"}, []string{`wait: "soon" is not a duration such as 30s or 5m`}},
		{"two keys that the author refuses", map[string]any{"nested": map[string]any{"port": -1}}, []string{"nested.port: -1 is no port", "image: missing"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, h.Configure(tt.table, t.TempDir())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestADescriptionThatCannotWorkIsRefused(t *testing.T) {
	ok := sdk.Activity("echo", "Echoes.", echo)
	tests := []struct {
		name string
		p    sdk.Plugin
		want string
	}{
		{"no name", sdk.Plugin{Version: "1.0.0", Activities: []sdk.ActivityDef{ok}}, "plugin name"},
		{"no semantic version", sdk.Plugin{Name: "a", Version: "one", Activities: []sdk.ActivityDef{ok}}, "semantic version"},
		{"no activity", sdk.Plugin{Name: "a", Version: "1.0.0"}, "offers no activity"},
		{"the same activity twice", sdk.Plugin{Name: "a", Version: "1.0.0", Activities: []sdk.ActivityDef{ok, ok}}, "twice"},
		{"a dot in a name", plugin(sdk.Activity("a.b", "", echo)), "no dot"},
		{"an input with no schema", plugin(sdk.Activity("a", "", func(context.Context, chan int) (string, error) { return "", nil })), "input type"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := sdk.NewServer(tt.p); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want it to say %q", err, tt.want)
			}
		})
	}
}

func TestTheManifestIsTheSameEveryTime(t *testing.T) {
	p := plugin(sdk.Activity("echo", "Echoes.", echo, sdk.Idempotent(), sdk.Timeout(time.Minute)))
	p.Config = sdk.Config(func(context.Context, configTable) error { return nil })
	s, err := sdk.NewServer(p)
	if err != nil {
		t.Fatal(err)
	}
	a, err := sdk.DescribeJSON(s.Manifest())
	if err != nil {
		t.Fatal(err)
	}
	b, _ := sdk.DescribeJSON(s.Manifest())
	if string(a) != string(b) {
		t.Error("two descriptions differ")
	}
	var d struct {
		Config     map[string]any
		Activities []struct{ Input map[string]any }
	}
	if err := json.Unmarshal(a, &d); err != nil {
		t.Fatal(err)
	}
	if d.Config["additionalProperties"] == nil {
		t.Error("the configuration's schema must refuse unknown keys")
	}
	if d.Activities[0].Input["additionalProperties"] != nil {
		t.Error("an input's schema must accept unknown keys")
	}
}
