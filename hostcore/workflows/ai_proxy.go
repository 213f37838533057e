package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

func aiProxy() spec {
	return spec{
		name:    "AIProxyWorkflow",
		summary: "start the AI proxy",
		retry:   containerRetry(), timeout: 5 * time.Minute,
		activities: []string{"start_ai_proxy_container"},
	}
}

func aiProxyCleanup() spec {
	return spec{
		name:    "AIProxyCleanupWorkflow",
		summary: "stop and remove the AI proxy",
		retry:   containerRetry(), timeout: 5 * time.Minute,
		activities: []string{"stop_ai_proxy_container", "delete_ai_proxy_container"},
	}
}

// AIProxyWorkflow starts the AI proxy between applications and the models' providers.
func AIProxyWorkflow(ctx workflow.Context, params Arg) (string, error) {
	f := begin(ctx, aiProxy())
	f.step("start_ai_proxy_container", params)
	return f.done("AI proxy running")
}

// AIProxyCleanupWorkflow stops and removes the AI proxy.
func AIProxyCleanupWorkflow(ctx workflow.Context, params Arg) (string, error) {
	f := begin(ctx, aiProxyCleanup())
	f.step("stop_ai_proxy_container", params)
	f.step("delete_ai_proxy_container", params)
	return f.done("AI proxy removed")
}
