package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

func logsPipeline() spec {
	return spec{
		name:    "LogsPipelineWorkflow",
		summary: "replace the OpenTelemetry collector and bring up Loki and Grafana",
		retry:   containerRetry(), timeout: 5 * time.Minute,
		activities: []string{
			"stop_opentelemetry_collector",
			"delete_opentelemetry_collector",
			"start_opentelemetry_collector",
			"start_loki_activity",
			"start_grafana_activity",
		},
	}
}

// LogsPipelineWorkflow replaces the OpenTelemetry collector and brings up Loki and Grafana.
func LogsPipelineWorkflow(ctx workflow.Context, params Arg) (string, error) {
	f := begin(ctx, logsPipeline())
	f.step("stop_opentelemetry_collector", params)
	f.step("delete_opentelemetry_collector", params)
	f.step("start_opentelemetry_collector", params)
	f.step("start_loki_activity", params)
	f.step("start_grafana_activity", params)
	return f.done("Logs pipeline fully configured")
}
