package workflows

import (
	"context"
	"maps"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/orch-host/orch/hostcore/progress"
)

// canceled is an activity during which the run is canceled.
func canceled(env *testsuite.TestWorkflowEnvironment) func(context.Context, call) (any, error) {
	return func(context.Context, call) (any, error) {
		env.CancelWorkflow()
		return nil, temporal.NewCanceledError()
	}
}

func TestARunCanceledInAnyStepEndsCanceled(t *testing.T) {
	for _, row := range contractRows() {
		for i, step := range row.steps {
			check := func(t *testing.T, o outcome, reached int) {
				t.Helper()
				if !temporal.IsCanceledError(o.Err) {
					t.Fatalf("the run ended with %q, %v, want canceled", o.Result, o.Err)
				}
				if len(o.asked()) != reached {
					t.Errorf("the run went on: %v", o.asked())
				}
				if s := o.step(t, step); s.State != progress.Canceled || o.Progress.State != progress.Canceled {
					t.Errorf("progress: run %s, step %+v", o.Progress.State, s)
				}
			}
			t.Run(row.workflow+"/"+step, func(t *testing.T) {
				answers := maps.Clone(row.answers)
				if answers == nil {
					answers = map[string]any{}
				}
				w := &world{answers: answers}
				w.prepare = func(env *testsuite.TestWorkflowEnvironment) { answers[step] = canceled(env) }
				check(t, w.run(t, row.workflow, row.args...), i+1)
			})
			// The test environment gives an activity up as soon as it is canceled, a server waits for its answer.
			t.Run(row.workflow+"/"+step+" answers with an error of its own", func(t *testing.T) {
				w := &world{answers: row.answers, late: map[string]error{
					step: temporal.NewNonRetryableApplicationError("container stopped half-way", "Interrupted", nil),
				}}
				w.prepare = func(env *testsuite.TestWorkflowEnvironment) {
					env.RegisterDelayedCallback(env.CancelWorkflow, time.Hour)
				}
				check(t, w.run(t, row.workflow, row.args...), i)
			})
		}
	}
}

func TestARunCanceledWhileItSleepsEndsCanceled(t *testing.T) {
	for _, row := range contractRows() {
		if len(row.timers) == 0 {
			continue
		}
		t.Run(row.workflow, func(t *testing.T) {
			w := &world{answers: row.answers}
			w.prepare = func(env *testsuite.TestWorkflowEnvironment) {
				env.RegisterDelayedCallback(env.CancelWorkflow, row.timers[0]/2)
			}
			o := w.run(t, row.workflow, row.args...)
			if !temporal.IsCanceledError(o.Err) {
				t.Fatalf("the run ended with %q, %v, want canceled", o.Result, o.Err)
			}
			if len(o.asked()) == len(row.steps) {
				t.Errorf("the run went on: %v", o.asked())
			}
		})
	}
}

func TestAFailureThatLooksLikeACancellationIsAFailure(t *testing.T) {
	odd := temporal.NewNonRetryableApplicationError("the engine canceled the pull", "Pull", temporal.NewCanceledError())
	o := (&world{answers: map[string]any{"start_loki_activity": odd}}).run(t, "LogsPipelineWorkflow", nil)
	if temporal.IsCanceledError(o.Err) || failure(t, o.Err) != "the engine canceled the pull" {
		t.Errorf("the run ended with %v", o.Err)
	}
	o = (&world{answers: map[string]any{"start_prometheus_container": odd}}).
		run(t, "MetricsPipelineWorkflow", map[string]any{"service_name": "demo"})
	wantText(t, o, "Error: Metrics pipeline failed: the engine canceled the pull")
}

func TestARunCanceledInAStepThatSucceedsAllTheSameEndsCanceled(t *testing.T) {
	for _, row := range contractRows() {
		for _, step := range row.steps {
			usual, ok := row.answers[step].(string)
			if !ok {
				usual = "{}"
			}
			for _, answer := range []string{usual, "false"} {
				t.Run(row.workflow+"/"+step+"="+answer, func(t *testing.T) {
					w := &world{answers: row.answers, lateAnswers: map[string]string{step: answer}}
					w.prepare = func(env *testsuite.TestWorkflowEnvironment) {
						env.RegisterDelayedCallback(env.CancelWorkflow, time.Hour)
					}
					o := w.run(t, row.workflow, row.args...)
					if !temporal.IsCanceledError(o.Err) || o.Progress.State != progress.Canceled {
						t.Errorf("the run ended with %q, %v, %s, want canceled", o.Result, o.Err, o.Progress.State)
					}
				})
			}
		}
	}
}
