package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

func otlpFromAppsIngest() spec {
	return spec{
		name:    "OtlpFromAppsIngestWorkflow",
		summary: "enable the collector's OTLP receiver and route what applications send",
		retry:   containerRetry(), timeout: 5 * time.Minute,
		activities: []string{"enable_otlp_receiver_activity", "collect_and_route_otlp_activity"},
	}
}

// OtlpFromAppsIngestWorkflow makes the collector take OTLP from applications. Its arguments may also come as one object
// with the keys template_path, service_name and otlp_endpoint.
func OtlpFromAppsIngestWorkflow(ctx workflow.Context, templatePath, serviceName, otlpEndpoint Arg) (string, error) {
	f := begin(ctx, otlpFromAppsIngest())
	args := f.positional([]string{"template_path", "service_name", "otlp_endpoint"},
		templatePath, serviceName, otlpEndpoint)
	configPath := f.step("enable_otlp_receiver_activity", args...)
	f.step("collect_and_route_otlp_activity", configPath)
	return f.done("otlp_from_apps ingest enabled")
}
