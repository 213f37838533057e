package workflows

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/orch-host/orch/hostcore/progress"
)

// contractRow is one row of the table users rely on, written out by hand: nothing here comes from the code under test.
type contractRow struct {
	workflow string
	args     []any
	answers  map[string]any
	retry    temporal.RetryPolicy
	limit    time.Duration
	brief    []string // steps of 30 s
	steps    []string
	timers   []time.Duration
	result   string
}

func contractRows() []contractRow {
	r1 := temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 10 * time.Second, MaximumAttempts: 3}
	r2 := temporal.RetryPolicy{InitialInterval: 2 * time.Second, BackoffCoefficient: 2, MaximumInterval: 10 * time.Second, MaximumAttempts: 3}
	r3 := temporal.RetryPolicy{MaximumAttempts: 3}
	named := map[string]any{"service_name": "demo", "app_name": "demo"}
	ok := func(names ...string) map[string]any {
		m := map[string]any{}
		for _, n := range names {
			m[n] = `{"deployment_url":"https://demo.example.com"}`
		}
		return m
	}
	return []contractRow{
		{workflow: "LogsPipelineWorkflow", args: []any{named}, retry: r1, limit: 5 * time.Minute,
			steps: []string{"stop_opentelemetry_collector", "delete_opentelemetry_collector", "start_opentelemetry_collector",
				"start_loki_activity", "start_grafana_activity"},
			result: "Logs pipeline fully configured"},
		{workflow: "DatabasePipelineWorkflow", args: []any{"demo"}, retry: r3, limit: 5 * time.Minute,
			steps:  []string{"start_neo4j_container", "start_qdrant_container"},
			result: "Database pipeline fully configured: Neo4j + Qdrant"},
		{workflow: "MetricsPipelineWorkflow", args: []any{named}, retry: r1, limit: 5 * time.Minute,
			answers: map[string]any{"start_prometheus_container": "true", "start_grafana_container": "true"},
			steps:   []string{"start_prometheus_container", "start_grafana_container"}, timers: []time.Duration{2 * time.Second},
			result: "Metrics pipeline fully configured: Prometheus + Grafana + Dashboard"},
		{workflow: "TracingPipelineWorkflow", args: []any{named}, retry: r1, limit: 5 * time.Minute,
			answers: map[string]any{"start_jaeger_container": "true", "start_grafana_container": "true"},
			steps:   []string{"start_jaeger_container", "start_grafana_container"}, timers: []time.Duration{2 * time.Second},
			result: "Tracing pipeline fully configured: Jaeger + Grafana + Dashboard"},
		{workflow: "ApplicationStdoutIngestWorkflow", args: []any{named}, retry: r3, limit: 5 * time.Minute,
			brief: []string{"add_loki_datasource_activity", "tail_and_ship_logs_activity"},
			answers: map[string]any{
				"logs_configure_activity": `{"labels":{"env":"dev"}}`, "discover_log_files_activity": `["/b","/a"]`,
				"discover_docker_logs_activity": `["/b","/c"]`, "tail_and_ship_logs_activity": `{"status":"shipping"}`,
				"label_enrichment_activity": `[{"path":"/a","labels":{"x":"1"}},{"path":"/b"}]`,
			},
			steps: []string{"logs_configure_activity", "add_loki_datasource_activity", "discover_log_files_activity",
				"discover_docker_logs_activity", "label_enrichment_activity", "tail_and_ship_logs_activity"},
			timers: []time.Duration{5 * time.Second},
			result: "ingest started: discovered=3 enriched=2 status=shipping"},
		{workflow: "ContainerLogsIngestWorkflow", args: []any{"t.yaml", []string{"/var/log"}, "demo", "http://loki:3100"}, retry: r1, limit: 5 * time.Minute,
			steps:  []string{"generate_and_validate_config_activity", "push_and_reload_activity"},
			result: "container_logs ingest configured"},
		{workflow: "OtlpFromAppsIngestWorkflow", args: []any{"t.yaml", "demo", "http://otel:4318"}, retry: r1, limit: 5 * time.Minute,
			steps:  []string{"enable_otlp_receiver_activity", "collect_and_route_otlp_activity"},
			result: "otlp_from_apps ingest enabled"},
		{workflow: "ChatSetupWorkflow", args: []any{named}, retry: r2, limit: 10 * time.Minute,
			steps: []string{"start_neo4j_dependency_activity", "verify_cloudflare_dependency_activity", "build_chat_image_activity",
				"run_chat_container_activity", "check_chat_health_activity"},
			result: "chat_setup_complete"},
		{workflow: "ChatCleanupWorkflow", args: []any{named}, retry: r2, limit: 10 * time.Minute,
			steps: []string{"stop_chat_container_activity", "delete_chat_container_activity", "delete_chat_image_activity",
				"stop_neo4j_dependency_activity", "delete_neo4j_dependency_activity"},
			result: "chat_cleanup_complete"},
		{workflow: "FlyioDeploymentWorkflow", args: []any{named}, retry: r2, limit: 15 * time.Minute,
			answers: ok("deploy_to_flyio_activity"),
			steps: []string{"generate_deployment_configs_activity", "create_flyio_app_activity", "set_flyio_secrets_activity",
				"deploy_to_flyio_activity", "check_deployment_health_activity"},
			result: "flyio_deploy_complete"},
		{workflow: "RailwayDeploymentWorkflow", args: []any{named}, retry: r2, limit: 15 * time.Minute,
			answers: ok("deploy_to_railway_activity"),
			steps: []string{"generate_deployment_configs_activity", "create_railway_project_activity", "set_railway_env_vars_activity",
				"deploy_to_railway_activity", "check_deployment_health_activity"},
			result: "railway_deploy_complete"},
		{workflow: "RenderDeploymentWorkflow", args: []any{named}, retry: r2, limit: 15 * time.Minute,
			answers: ok("deploy_to_render_activity"),
			steps: []string{"generate_deployment_configs_activity", "create_render_blueprint_activity", "push_to_github_activity",
				"deploy_to_render_activity", "check_deployment_health_activity"},
			result: "render_deploy_complete"},
		{workflow: "AIProxyWorkflow", args: []any{named}, retry: r1, limit: 5 * time.Minute,
			steps: []string{"start_ai_proxy_container"}, result: "AI proxy running"},
		{workflow: "AIProxyCleanupWorkflow", args: []any{named}, retry: r1, limit: 5 * time.Minute,
			steps: []string{"stop_ai_proxy_container", "delete_ai_proxy_container"}, result: "AI proxy removed"},
	}
}

func TestEveryRowOfTheContractHolds(t *testing.T) {
	for _, row := range contractRows() {
		t.Run(row.workflow, func(t *testing.T) {
			o := (&world{answers: row.answers}).run(t, row.workflow, row.args...)
			if o.Err != nil {
				t.Fatalf("the run failed: %v", o.Err)
			}
			if o.Result != row.result {
				t.Errorf("result %q, want %q", o.Result, row.result)
			}
			if diff := cmp.Diff(row.steps, o.asked()); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(row.timers, o.Timers); diff != "" {
				t.Errorf("sleeps (-want +got):\n%s", diff)
			}
			for i, got := range o.Options {
				want := workflow.ActivityOptions{
					TaskQueue:           "default-test-taskqueue", // the one the test environment runs workflows on
					StartToCloseTimeout: row.limit,
					HeartbeatTimeout:    30 * time.Second,
					WaitForCancellation: true,
					RetryPolicy:         &row.retry,
					Summary:             got.Summary,
				}
				if slices.Contains(row.brief, row.steps[i]) {
					want.StartToCloseTimeout, want.HeartbeatTimeout = 30*time.Second, 0
				}
				if got.Summary == "" {
					t.Errorf("%s has no summary for the Web UI", row.steps[i])
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("options of %s (-want +got):\n%s", row.steps[i], diff)
				}
			}
			for _, s := range o.Progress.Steps {
				if s.State != progress.OK || s.Started.IsZero() {
					t.Errorf("progress of %s: %+v", s.Name, s)
				}
			}
			if o.Progress.State != progress.OK || o.Progress.Result != row.result || o.Progress.Workflow != row.workflow {
				t.Errorf("progress: %+v", o.Progress)
			}
		})
	}
}

func TestADefinitionTellsTheStepsOfItsWorkflow(t *testing.T) {
	defs := All()
	for i, row := range contractRows() {
		if defs[i].Name != row.workflow {
			t.Fatalf("definition %d is %s, want %s", i, defs[i].Name, row.workflow)
		}
		if diff := cmp.Diff(row.steps, defs[i].Activities); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.workflow, diff)
		}
		if defs[i].Summary == "" {
			t.Errorf("%s has no summary", row.workflow)
		}
	}
	var more []string
	for _, d := range defs[len(contractRows()):] {
		more = append(more, d.Name)
	}
	if diff := cmp.Diff([]string{composite, ScheduledStart}, more); diff != "" {
		t.Errorf("definitions beside the twelve (-want +got):\n%s", diff)
	}
}

func TestAStepThatKeepsFailingIsTriedThreeTimesAndFailsTheRun(t *testing.T) {
	for _, row := range contractRows() {
		for i, failing := range row.steps {
			t.Run(row.workflow+"/"+failing, func(t *testing.T) {
				answers := map[string]any{failing: temporal.NewApplicationError("port 3100 is taken", "PortTaken")}
				for k, v := range row.answers {
					if k != failing {
						answers[k] = v
					}
				}
				o := (&world{answers: answers}).run(t, row.workflow, row.args...)
				if diff := cmp.Diff(row.steps[:i+1], o.asked()); diff != "" {
					t.Errorf("steps (-want +got):\n%s", diff)
				}
				if tries := o.Calls[len(o.Calls)-1].Attempt; tries != 3 {
					t.Errorf("tried %d times, want 3", tries)
				}
				if s := o.step(t, failing); s.State != progress.Failed || s.Error != "port 3100 is taken" {
					t.Errorf("progress of the failed step: %+v", s)
				}
				for _, after := range row.steps[i+1:] {
					if s := o.step(t, after); s.State != progress.Skipped {
						t.Errorf("progress of a step behind it: %+v", s)
					}
				}
				if o.Progress.State != progress.Failed {
					t.Errorf("the run is %s, want failed", o.Progress.State)
				}
				switch row.workflow {
				case "MetricsPipelineWorkflow":
					wantText(t, o, "Error: Metrics pipeline failed: port 3100 is taken")
				case "TracingPipelineWorkflow":
					wantText(t, o, "Error: Tracing pipeline failed: port 3100 is taken")
				default:
					if o.Err == nil {
						t.Errorf("the run completed with %q", o.Result)
					}
				}
			})
		}
	}
}

// wantText checks that a run completed with an error text that clients show as a failure.
func wantText(t *testing.T, o outcome, want string) {
	t.Helper()
	if o.Err != nil || o.Result != want {
		t.Errorf("result %q, error %v, want %q", o.Result, o.Err, want)
	}
	if !IsFailure(o.Result) {
		t.Errorf("%q is not shown as a failure", o.Result)
	}
}
