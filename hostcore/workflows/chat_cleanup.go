package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

func chatCleanup() spec {
	return spec{
		name:    "ChatCleanupWorkflow",
		summary: "remove the chat application and its dependencies",
		retry:   remoteRetry(), timeout: 10 * time.Minute,
		activities: []string{
			"stop_chat_container_activity",
			"delete_chat_container_activity",
			"delete_chat_image_activity",
			"stop_neo4j_dependency_activity",
			"delete_neo4j_dependency_activity",
		},
	}
}

// ChatCleanupWorkflow removes what ChatSetupWorkflow set up.
func ChatCleanupWorkflow(ctx workflow.Context, params Arg) (string, error) {
	f := begin(ctx, chatCleanup())
	f.log.Info("ChatCleanupWorkflow start")
	f.step("stop_chat_container_activity", params)
	f.step("delete_chat_container_activity", params)
	f.step("delete_chat_image_activity", params)
	f.step("stop_neo4j_dependency_activity", params)
	f.step("delete_neo4j_dependency_activity", params)
	return f.complete("chat_cleanup_complete")
}
