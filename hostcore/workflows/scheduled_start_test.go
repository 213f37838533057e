package workflows

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/orch-host/orch/hostcore/progress"
)

func TestAScheduleStartsTheServiceUnderItsOwnId(t *testing.T) {
	var seen *[]started
	w := &world{prepare: func(env *testsuite.TestWorkflowEnvironment) { seen = watchChildren(env) }}
	o := w.run(t, ScheduledStart, json.RawMessage(`{"workflow":"DatabasePipelineWorkflow","workflow_id":"db_1","task_queue":"db-queue","params":{"service_name":"db"}}`))
	if o.Err != nil || o.Result != "Database pipeline fully configured: Neo4j + Qdrant" {
		t.Errorf("result %q, error %v", o.Result, o.Err)
	}
	if diff := cmp.Diff([]started{{"DatabasePipelineWorkflow", "db_1", "db-queue", `{"service_name":"db"}`}}, *seen); diff != "" {
		t.Errorf("children (-want +got):\n%s", diff)
	}
}

func TestAScheduledStartEndsAsTheServiceDoes(t *testing.T) {
	w := &world{answers: map[string]any{"start_neo4j_container": errBroken}}
	o := w.run(t, ScheduledStart, json.RawMessage(`{"workflow":"DatabasePipelineWorkflow","workflow_id":"db_1"}`))
	if o.Err == nil || !strings.Contains(o.Err.Error(), "docker is not running") || o.Progress.State != progress.Failed {
		t.Errorf("error %v, progress %+v", o.Err, o.Progress)
	}
}

func TestAScheduledStartThatNamesNothingIsRefused(t *testing.T) {
	for _, params := range []string{`null`, `{}`, `{"workflow":"X"}`, `{"workflow_id":"x"}`, `{"workflow":1,"workflow_id":"x"}`, `"x"`} {
		o := (&world{}).run(t, ScheduledStart, json.RawMessage(params))
		if o.Err == nil || !strings.Contains(o.Err.Error(), "ScheduledStartWorkflow takes") {
			t.Errorf("%s: result %q, error %v", params, o.Result, o.Err)
		}
	}
}

func TestAScheduledStartAnswersWhatTheServiceAnswered(t *testing.T) {
	for _, tc := range []struct{ name, answer, want string }{
		{"a text", `"done"`, "done"},
		{"an object", `{"rows": 3, "id": 12345678901234567890}`, `{"rows":3,"id":12345678901234567890}`},
		{"a number", `3`, "3"},
		{"null", `null`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := &world{prepare: func(env *testsuite.TestWorkflowEnvironment) {
				env.RegisterWorkflowWithOptions(func(workflow.Context) (json.RawMessage, error) { return json.RawMessage(tc.answer), nil },
					workflow.RegisterOptions{Name: "pipeline/report"})
			}}
			o := w.run(t, ScheduledStart, json.RawMessage(`{"workflow":"pipeline/report","workflow_id":"report_1"}`))
			if o.Err != nil || o.Result != tc.want || o.Progress.State != progress.OK {
				t.Errorf("result %q, error %v, progress %+v", o.Result, o.Err, o.Progress)
			}
		})
	}
}

func TestAScheduleLeavesAServiceThatIsBeingStoppedAlone(t *testing.T) {
	broken := temporal.NewNonRetryableApplicationError("no right to look", "Denied", nil)
	for _, tc := range []struct {
		name     string
		stopping bool
		err      error
		result   string
		failure  string
		started  int
	}{
		{"nothing is taken down", false, nil, "Database pipeline fully configured: Neo4j + Qdrant", "", 1},
		{"its stop workflow runs", true, nil, "skipped: what DatabasePipelineWorkflow has set up as db_1 is being taken down (workflow db_1_stop)", "", 0},
		{"it cannot be known", false, broken, "", "look whether db_1 is being stopped: no right to look", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var seen *[]started
			var asked []string
			w := &world{prepare: func(env *testsuite.TestWorkflowEnvironment) { seen = watchChildren(env) }}
			w.options.Stopping = func(_ context.Context, id string) (bool, error) {
				asked = append(asked, id)
				return tc.stopping, tc.err
			}
			o := w.run(t, ScheduledStart, json.RawMessage(`{"workflow":"DatabasePipelineWorkflow","workflow_id":"db_1"}`))
			if o.Result != tc.result || (tc.err == nil) != (o.Err == nil) || len(*seen) != tc.started || !slices.Equal(asked, []string{"db_1"}) {
				t.Errorf("result %q, error %v, %d started, asked for %v", o.Result, o.Err, len(*seen), asked)
			}
			if tc.failure != "" && !strings.Contains(failure(t, o.Err), tc.failure) {
				t.Errorf("it failed with %q", failure(t, o.Err))
			}
		})
	}
}
