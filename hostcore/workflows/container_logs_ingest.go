package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

func containerLogsIngest() spec {
	return spec{
		name:    "ContainerLogsIngestWorkflow",
		summary: "generate and validate a collector configuration, push it and reload",
		retry:   containerRetry(), timeout: 5 * time.Minute,
		activities: []string{"generate_and_validate_config_activity", "push_and_reload_activity"},
	}
}

// ContainerLogsIngestWorkflow makes the collector read the given log files and send them to Loki. Its arguments may also
// come as one object with the keys template_path, log_paths, service_name and loki_endpoint.
func ContainerLogsIngestWorkflow(ctx workflow.Context, templatePath, logPaths, serviceName, lokiEndpoint Arg) (string, error) {
	f := begin(ctx, containerLogsIngest())
	args := f.positional([]string{"template_path", "log_paths", "service_name", "loki_endpoint"},
		templatePath, logPaths, serviceName, lokiEndpoint)
	config := f.step("generate_and_validate_config_activity", args...)
	f.step("push_and_reload_activity", config)
	return f.done("container_logs ingest configured")
}
