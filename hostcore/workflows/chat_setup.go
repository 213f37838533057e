package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

func chatSetup() spec {
	return spec{
		name:    "ChatSetupWorkflow",
		summary: "build and run the chat application with its dependencies",
		retry:   remoteRetry(), timeout: 10 * time.Minute,
		activities: []string{
			"start_neo4j_dependency_activity",
			"verify_cloudflare_dependency_activity",
			"build_chat_image_activity",
			"run_chat_container_activity",
			"check_chat_health_activity",
		},
		undo: []string{
			"stop_chat_container_activity",
			"delete_chat_container_activity",
			"delete_chat_image_activity",
			"stop_neo4j_dependency_activity",
			"delete_neo4j_dependency_activity",
		},
	}
}

// ChatSetupWorkflow builds and runs the chat application with its dependencies. The source folder is params.context,
// or the host's ChatContext when params name none.
//
// A setup that fails or is canceled half-way takes back, in reverse order, what this run created and nothing else:
// containers whose step answered {"created": true} and an image whose step answered {"built": true}, named to the
// activities as container and image, so that a version that serves meanwhile stays. Data is never purged. A step that
// fails itself cleans up after itself. With rollback_on_failure false in params everything is left for inspection.
func (o Options) ChatSetupWorkflow(ctx workflow.Context, params Arg) (string, error) {
	f := begin(ctx, chatSetup())
	f.log.Info("ChatSetupWorkflow start")
	p := o.withChatContext(f, f.params(params))
	keep := p.isFalse("rollback_on_failure")

	neo4j := f.step("start_neo4j_dependency_activity", p)
	if !keep && neo4j.fields().isTrue("created") {
		f.undoWith(p.with("purge", false), "stop_neo4j_dependency_activity", "delete_neo4j_dependency_activity")
	}
	f.step("verify_cloudflare_dependency_activity", p)
	image := f.step("build_chat_image_activity", p)
	if !keep && image.fields().isTrue("built") {
		f.undoWith(p.with("purge", false).with("image", image.fields().text("image")), "delete_chat_image_activity")
	}
	container := f.step("run_chat_container_activity", p)
	if !keep && container.fields().isTrue("created") {
		f.undoWith(p.with("purge", false).with("container", container.fields().text("container")), "stop_chat_container_activity", "delete_chat_container_activity")
	}
	f.healthy("check_chat_health_activity", p)
	return f.complete("chat_setup_complete")
}

// withChatContext fills in the source folder. Workflow code cannot read configuration, and a changed one must not change
// a run that is under way: the host's setting is recorded in the history when it is used.
func (o Options) withChatContext(f *flow, p object) object {
	if f.ended() || !falsy(p["context"]) {
		return p
	}
	var folder string
	recorded := workflow.SideEffect(f.ctx, func(workflow.Context) any { return o.ChatContext })
	if err := recorded.Get(&folder); err != nil {
		f.fail(err)
	}
	if folder == "" {
		return p
	}
	return p.with("context", folder)
}
