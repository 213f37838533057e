package workflows

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/orch-host/orch/hostcore/progress"
)

func TestProgressIsAnsweredWhileARunIsUnderWay(t *testing.T) {
	var during progress.Progress
	w := &world{}
	w.prepare = func(env *testsuite.TestWorkflowEnvironment) {
		w.answers = map[string]any{"start_opentelemetry_collector": func(context.Context, call) (any, error) {
			v, err := env.QueryWorkflow(progress.Query)
			if err == nil {
				err = v.Get(&during)
			}
			return `{}`, err
		}}
	}
	if o := w.run(t, "LogsPipelineWorkflow", nil); o.Err != nil {
		t.Fatal(o.Err)
	}
	want := []string{
		"ok stop_opentelemetry_collector", "ok delete_opentelemetry_collector", "running start_opentelemetry_collector",
		"pending start_loki_activity", "pending start_grafana_activity",
	}
	if diff := cmp.Diff(want, outcome{Progress: during}.states()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if during.State != progress.Running || during.Steps[2].Started.IsZero() || !during.Steps[3].Started.IsZero() {
		t.Errorf("progress: %+v", during)
	}
}

func TestProgressSpeaksTheDocumentedJSON(t *testing.T) {
	o := (&world{answers: map[string]any{"start_prometheus_container": errBroken}}).
		run(t, "MetricsPipelineWorkflow", map[string]any{"service_name": "demo"})
	j, err := json.Marshal(o.Progress)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(j, &got); err != nil {
		t.Fatal(err)
	}
	steps := got["steps"].([]any)
	first := steps[0].(map[string]any)
	if first["started"] == nil {
		t.Errorf("a step that ran has no start: %v", first)
	}
	delete(first, "started")
	delete(first, "took_ms") // 0 is left out
	want := map[string]any{
		"workflow": "MetricsPipelineWorkflow", "state": "failed", "result": "Error: Metrics pipeline failed: docker is not running",
		"steps": []any{
			map[string]any{"name": "start_prometheus_container", "state": "failed", "error": "docker is not running"},
			map[string]any{"name": "start_grafana_container", "state": "skipped"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMessageIsWhatPeopleWantToRead(t *testing.T) {
	app := temporal.NewApplicationErrorWithCause("port 3100 is taken", "PortTaken", errors.New("bind: address in use"))
	for _, tc := range []struct {
		name string
		err  error
		want string
	}{
		{"no failure", nil, ""},
		{"what the activity said, without its causes", app, "port 3100 is taken"},
		{"a cancellation", temporal.NewCanceledError(), "canceled"},
		{"an error of another kind", errors.New("odd"), "odd"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := message(tc.err); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	for kind, want := range map[enumspb.TimeoutType]string{
		enumspb.TIMEOUT_TYPE_START_TO_CLOSE:    "did not finish in time; the failure before it: port 3100 is taken",
		enumspb.TIMEOUT_TYPE_HEARTBEAT:         "gave no sign of life for 30s; the failure before it: port 3100 is taken",
		enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START: "was not picked up by any worker in time; the failure before it: port 3100 is taken",
		enumspb.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE: "timed out; the failure before it: port 3100 is taken",
	} {
		var timeout *temporal.TimeoutError
		if !errors.As(temporal.NewTimeoutError(kind, app), &timeout) {
			t.Fatal("no timeout error")
		}
		if got := timeoutText(timeout); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestAnActivityThatTimesOutIsNamed(t *testing.T) {
	o := (&world{answers: map[string]any{
		"start_loki_activity": func(context.Context, call) (any, error) {
			return nil, temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_START_TO_CLOSE, nil)
		},
	}}).run(t, "LogsPipelineWorkflow", nil)
	if s := o.step(t, "start_loki_activity"); s.Error != "start_loki_activity did not finish in time" {
		t.Errorf("progress: %+v", s)
	}
}

func TestNoActivityNameHoldsADot(t *testing.T) {
	for _, d := range All() {
		for _, name := range slices.Concat(d.Activities, d.Undo) {
			if slices.Contains([]byte(name), '.') {
				t.Errorf("%s of %s: the replay check would compare what follows the last dot only", name, d.Name)
			}
		}
	}
}
