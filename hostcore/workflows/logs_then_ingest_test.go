package workflows

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/orch-host/orch/hostcore/progress"
)

const composite = "run_logs_pipeline_then_stdout_ingest"

// started is how a child workflow was started.
type started struct{ Type, ID, Queue, Args string }

func watchChildren(env *testsuite.TestWorkflowEnvironment) *[]started {
	var seen []started
	env.SetOnChildWorkflowStartedListener(func(info *workflow.Info, _ workflow.Context, args converter.EncodedValues) {
		s := started{Type: info.WorkflowType.Name, ID: info.WorkflowExecution.ID, Queue: info.TaskQueueName}
		for _, p := range converter.GetPayloads(args).GetPayloads() {
			s.Args += jsonText(p.GetData())
		}
		seen = append(seen, s)
	})
	return &seen
}

func TestTheCompositeRunsTheIngestAfterTheLogsPipeline(t *testing.T) {
	for _, tc := range []struct {
		name, params string
		want         []started
	}{
		{"with ids, queues and params of the services",
			`{"logs":{"workflow_id":"logs-pipeline_1","task_queue":"logs-pipeline-queue","params":{"n":1e20}},
			  "ingest":{"workflow_id":"ingest_1","task_queue":"ingest-queue","params":{"root":"/var/log"}}}`,
			[]started{
				{"LogsPipelineWorkflow", "logs-pipeline_1", "logs-pipeline-queue", `{"n":1e20}`},
				{"ApplicationStdoutIngestWorkflow", "ingest_1", "ingest-queue", `{"root":"/var/log"}`},
			}},
		{"with names and a queue of its own when told nothing", `null`,
			[]started{
				{"LogsPipelineWorkflow", "default-test-workflow-id-logs", "default-test-taskqueue", "null"},
				{"ApplicationStdoutIngestWorkflow", "default-test-workflow-id-ingest", "default-test-taskqueue", "null"},
			}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var seen *[]started
			w := &world{answers: map[string]any{"logs_configure_activity": `{"a":1}`, "tail_and_ship_logs_activity": `{"status":"shipping"}`}}
			w.prepare = func(env *testsuite.TestWorkflowEnvironment) { seen = watchChildren(env) }
			o := w.run(t, composite, json.RawMessage(tc.params))
			if want := "ingest started: discovered=0 enriched=0 status=shipping"; o.Err != nil || o.Result != want {
				t.Errorf("result %q, error %v, want %q", o.Result, o.Err, want)
			}
			if diff := cmp.Diff(tc.want, *seen); diff != "" {
				t.Errorf("children (-want +got):\n%s", diff)
			}
			want := []string{
				"stop_opentelemetry_collector", "delete_opentelemetry_collector", "start_opentelemetry_collector", "start_loki_activity",
				"start_grafana_activity", "logs_configure_activity", "add_loki_datasource_activity", "discover_log_files_activity",
				"discover_docker_logs_activity", "label_enrichment_activity", "tail_and_ship_logs_activity",
			}
			if diff := cmp.Diff(want, o.asked()); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"ok LogsPipelineWorkflow", "ok ApplicationStdoutIngestWorkflow"}, o.states()); diff != "" {
				t.Errorf("progress (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheCompositeStartsNoIngestWithoutTheLogsPipeline(t *testing.T) {
	o := (&world{answers: map[string]any{"start_loki_activity": errBroken}}).run(t, composite, nil)
	if text := failure(t, o.Err); text != "docker is not running" {
		t.Errorf("the run failed with %q", text)
	}
	if diff := cmp.Diff([]string{"failed LogsPipelineWorkflow", "skipped ApplicationStdoutIngestWorkflow"}, o.states()); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}

func TestAnIngestThatCouldNotBeConfiguredFailsTheComposite(t *testing.T) {
	o := (&world{answers: map[string]any{"logs_configure_activity": "null"}}).run(t, composite, nil)
	wantText(t, o, "configuration failed")
	if o.Progress.State != progress.Failed {
		t.Errorf("progress: %+v", o.Progress)
	}
}

func TestACanceledCompositeCancelsTheChildThatRuns(t *testing.T) {
	w := &world{}
	w.prepare = func(env *testsuite.TestWorkflowEnvironment) {
		w.answers = map[string]any{"start_loki_activity": canceled(env)}
	}
	o := w.run(t, composite, nil)
	if !temporal.IsCanceledError(o.Err) {
		t.Errorf("the run ended with %v, want canceled", o.Err)
	}
	if diff := cmp.Diff([]string{"canceled LogsPipelineWorkflow", "skipped ApplicationStdoutIngestWorkflow"}, o.states()); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}

func TestAChildCanceledByItselfFailsTheComposite(t *testing.T) {
	w := &world{late: map[string]error{"start_loki_activity": errBroken}}
	w.prepare = func(env *testsuite.TestWorkflowEnvironment) {
		env.RegisterDelayedCallback(func() { env.CancelWorkflowByID("logs_1", "") }, time.Minute)
	}
	o := w.run(t, composite, json.RawMessage(`{"logs":{"workflow_id":"logs_1"}}`))
	if temporal.IsCanceledError(o.Err) || failure(t, o.Err) != "LogsPipelineWorkflow was canceled" {
		t.Errorf("the run ended with %v", o.Err)
	}
}

func TestTheCompositeRefusesSettingsItCannotRead(t *testing.T) {
	o := (&world{}).run(t, composite, json.RawMessage(`{"logs":"queue"}`))
	if text := failure(t, o.Err); !strings.Contains(text, "params.logs must hold workflow_id, task_queue and params") {
		t.Errorf("the run failed with %q", text)
	}
}

func TestTheCompositeSaysThatAServiceIsAlreadyRunning(t *testing.T) {
	o := (&world{}).run(t, composite, json.RawMessage(`{"logs":{"workflow_id":"default-test-workflow-id"}}`)) // its own
	want := "LogsPipelineWorkflow is already running as default-test-workflow-id: stop it first, or wait for it"
	if text := failure(t, o.Err); text != want {
		t.Errorf("got  %q\nwant %q", text, want)
	}
	if len(o.Calls) != 0 {
		t.Errorf("activities were called: %v", o.asked())
	}
}
