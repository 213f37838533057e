package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

func tracingPipeline() spec {
	return spec{
		name:    "TracingPipelineWorkflow",
		summary: "bring up Jaeger and Grafana with a dashboard",
		retry:   containerRetry(), timeout: 5 * time.Minute,
		activities: []string{"start_jaeger_container", "start_grafana_container"},
	}
}

// TracingPipelineWorkflow brings up Jaeger and Grafana. It completes with an error text where others fail.
func TracingPipelineWorkflow(ctx workflow.Context, params Arg) (string, error) {
	f := begin(ctx, tracingPipeline())
	f.validate(params)
	f.require(f.step("start_jaeger_container", params), "Error: Failed to start Jaeger container")
	f.sleep(2*time.Second, "Jaeger settles")
	f.require(f.step("start_grafana_container", params), "Error: Failed to start Grafana container")
	f.catch("Error: Tracing pipeline failed: ")
	return f.done("Tracing pipeline fully configured: Jaeger + Grafana + Dashboard")
}
