package workflows

import (
	"context"
	"encoding/json"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
)

// scenario is one run whose history is kept in testdata.
type scenario struct {
	name     string // of the file, without .json
	workflow string
	args     []any
	answers  map[string]any
	cancelIn string // the activity during which the run is canceled
	status   string // how the run closes
	result   string
}

// scenarios are one successful run of every workflow, and runs that take the other ways.
func scenarios() []scenario {
	var all []scenario
	for _, row := range contractRows() {
		all = append(all, scenario{name: row.workflow, workflow: row.workflow, args: row.args, answers: row.answers, status: "Completed", result: row.result})
	}
	unhealthy := func(deploy string) map[string]any {
		return map[string]any{
			deploy:      `{"deployment_url":"https://demo.example.com","changed":true,"previous_image":"demo@sha256:1","previous_deployment_id":"dep-1"}`,
			checkHealth: temporal.NewNonRetryableApplicationError("503 for 5 minutes", "Unhealthy", nil),
		}
	}
	named := map[string]any{"service_name": "demo"}
	return append(all, []scenario{
		{name: composite, workflow: composite, status: "Completed", result: "ingest started: discovered=0 enriched=0 status=shipping",
			answers: map[string]any{"logs_configure_activity": `{"a":1}`, "tail_and_ship_logs_activity": `{"status":"shipping"}`}},
		// Recorded before such runs looked for a clean-up.
		{name: ScheduledStart, workflow: ScheduledStart, status: "Completed", result: "Database pipeline fully configured: Neo4j + Qdrant",
			args: []any{json.RawMessage(`{"workflow":"DatabasePipelineWorkflow","workflow_id":"scheduled_1","params":{"service_name":"demo"}}`)}},
		{name: ScheduledStart + "-looked", workflow: ScheduledStart, status: "Completed", result: "Database pipeline fully configured: Neo4j + Qdrant",
			args: []any{json.RawMessage(`{"workflow":"DatabasePipelineWorkflow","workflow_id":"scheduled_2","params":{"service_name":"demo"}}`)}},
		{name: ScheduledStart + "-stopping", workflow: ScheduledStart, status: "Completed",
			result: "skipped: what DatabasePipelineWorkflow has set up as stopping_1 is being taken down (workflow stopping_1_stop)",
			args:   []any{json.RawMessage(`{"workflow":"DatabasePipelineWorkflow","workflow_id":"stopping_1"}`)}},
		{name: "ContainerLogsIngestWorkflow-object", workflow: "ContainerLogsIngestWorkflow", status: "Completed", result: "container_logs ingest configured",
			args: []any{json.RawMessage(`{"template_path":"t.yaml","log_paths":["/var/log"],"service_name":"demo","loki_endpoint":"http://loki:3100"}`)}},
		{name: "LogsPipelineWorkflow-failed", workflow: "LogsPipelineWorkflow", args: []any{named}, status: "Failed",
			answers: map[string]any{"start_loki_activity": temporal.NewApplicationError("port 3100 is taken", "PortTaken")}},
		{name: "LogsPipelineWorkflow-canceled", workflow: "LogsPipelineWorkflow", args: []any{named}, status: "Canceled",
			cancelIn: "start_opentelemetry_collector", answers: map[string]any{"start_opentelemetry_collector": untilCanceled(context.Canceled)}},
		{name: "MetricsPipelineWorkflow-invalid", workflow: "MetricsPipelineWorkflow", status: "Completed", result: "Error: Invalid params provided"},
		{name: "MetricsPipelineWorkflow-failed", workflow: "MetricsPipelineWorkflow", args: []any{named}, status: "Completed",
			result: "Error: Metrics pipeline failed: docker is not running", answers: map[string]any{"start_prometheus_container": errBroken}},
		{name: "TracingPipelineWorkflow-canceled", workflow: "TracingPipelineWorkflow", args: []any{named}, status: "Canceled",
			cancelIn: "start_jaeger_container", answers: map[string]any{"start_jaeger_container": untilCanceled(errBroken)}},
		{name: "ApplicationStdoutIngestWorkflow-unconfigured", workflow: "ApplicationStdoutIngestWorkflow", status: "Completed", result: "configuration failed"},
		{name: "ChatSetupWorkflow-undone", workflow: "ChatSetupWorkflow", args: []any{map[string]any{"context": "/src"}}, status: "Failed",
			answers: map[string]any{"start_neo4j_dependency_activity": `{"created":true}`, "build_chat_image_activity": `{"built":true,"image":"orch/chat-app:abc"}`,
				"run_chat_container_activity": `{"created":true,"container":"chat-app-1"}`, "check_chat_health_activity": errBroken}},
		{name: "ChatSetupWorkflow-canceled", workflow: "ChatSetupWorkflow", args: []any{named}, status: "Canceled", cancelIn: "build_chat_image_activity",
			answers: map[string]any{"start_neo4j_dependency_activity": `{"created":true}`, "build_chat_image_activity": untilCanceled(context.Canceled)}},
		{name: "FlyioDeploymentWorkflow-rolled-back", workflow: "FlyioDeploymentWorkflow", args: []any{named}, status: "Failed", answers: unhealthy("deploy_to_flyio_activity")},
		{name: "RailwayDeploymentWorkflow-rolled-back", workflow: "RailwayDeploymentWorkflow", args: []any{named}, status: "Failed", answers: unhealthy("deploy_to_railway_activity")},
		{name: "RenderDeploymentWorkflow-rolled-back", workflow: "RenderDeploymentWorkflow", args: []any{named}, status: "Failed", answers: unhealthy("deploy_to_render_activity")},
		{name: "RenderDeploymentWorkflow-dry-run", workflow: "RenderDeploymentWorkflow", args: []any{map[string]any{"dry_run": true}}, status: "Completed", result: "render_deploy_complete"},
	}...)
}

// untilCanceled is an activity that works until it is told to stop, and then answers with err.
func untilCanceled(err error) func(context.Context, call) (any, error) {
	return func(ctx context.Context, _ call) (any, error) {
		beat := time.NewTicker(50 * time.Millisecond)
		defer beat.Stop()
		for {
			activity.RecordHeartbeat(ctx)
			select {
			case <-ctx.Done():
				return nil, err
			case <-beat.C:
			}
		}
	}
}
