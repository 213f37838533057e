package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

func metricsPipeline() spec {
	return spec{
		name:    "MetricsPipelineWorkflow",
		summary: "bring up Prometheus and Grafana with a dashboard",
		retry:   containerRetry(), timeout: 5 * time.Minute,
		activities: []string{"start_prometheus_container", "start_grafana_container"},
	}
}

// MetricsPipelineWorkflow brings up Prometheus and Grafana. It completes with an error text where others fail.
func MetricsPipelineWorkflow(ctx workflow.Context, params Arg) (string, error) {
	f := begin(ctx, metricsPipeline())
	f.validate(params)
	f.require(f.step("start_prometheus_container", params), "Error: Failed to start Prometheus container")
	f.sleep(2*time.Second, "Prometheus settles")
	f.require(f.step("start_grafana_container", params), "Error: Failed to start Grafana container")
	f.catch("Error: Metrics pipeline failed: ")
	return f.done("Metrics pipeline fully configured: Prometheus + Grafana + Dashboard")
}
