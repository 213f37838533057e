package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

func renderDeployment() spec {
	return spec{
		name:    "RenderDeploymentWorkflow",
		summary: "push an application to GitHub, deploy it to Render and check it",
		retry:   remoteRetry(), timeout: 15 * time.Minute,
		activities: []string{
			generateConfigs,
			"create_render_blueprint_activity",
			"push_to_github_activity",
			"deploy_to_render_activity",
			checkHealth,
		},
		undo: []string{"rollback_render_activity"},
	}
}

// RenderDeploymentWorkflow pushes an application to GitHub, deploys it to Render, checks it, and rolls back when it is
// not healthy.
func RenderDeploymentWorkflow(ctx workflow.Context, params Arg) (string, error) {
	f := begin(ctx, renderDeployment())
	f.log.Info("RenderDeploymentWorkflow start")
	p := f.deployParams(params, "render-deploy")
	f.step(generateConfigs, p.with("platforms", []string{"render"}))
	f.step("create_render_blueprint_activity", p)
	push := f.step("push_to_github_activity", p).fields()
	deployed := f.step("deploy_to_render_activity", p.merge(push)).fields()
	f.verify(deployment{
		params: p, result: deployed,
		url:      deployed.text("deployment_url"),
		repoURL:  push.text("repo_url"),
		rollback: "rollback_render_activity",
	})
	return f.complete("render_deploy_complete")
}
