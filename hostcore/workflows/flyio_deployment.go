package workflows

import (
	"cmp"
	"time"

	"go.temporal.io/sdk/workflow"
)

func flyioDeployment() spec {
	return spec{
		name:    "FlyioDeploymentWorkflow",
		summary: "deploy an application to Fly.io and check it",
		retry:   remoteRetry(), timeout: 15 * time.Minute,
		activities: []string{
			generateConfigs,
			"create_flyio_app_activity",
			"set_flyio_secrets_activity",
			"deploy_to_flyio_activity",
			checkHealth,
		},
		undo: []string{"rollback_flyio_activity"},
	}
}

// FlyioDeploymentWorkflow deploys an application to Fly.io, checks it, and rolls back when it is not healthy.
func FlyioDeploymentWorkflow(ctx workflow.Context, params Arg) (string, error) {
	f := begin(ctx, flyioDeployment())
	f.log.Info("FlyioDeploymentWorkflow start")
	p := f.deployParams(params, "flyio-deploy")
	f.step(generateConfigs, p.with("platforms", []string{"flyio"}))
	f.step("create_flyio_app_activity", p)
	f.step("set_flyio_secrets_activity", p)
	deployed := f.step("deploy_to_flyio_activity", p).fields()
	f.verify(deployment{
		params: p, result: deployed,
		url:      cmp.Or(deployed.text("deployment_url"), flyURL(p)),
		rollback: "rollback_flyio_activity",
	})
	return f.complete("flyio_deploy_complete")
}

// flyURL is the address Fly.io gives an app by itself, "" when the params name no app.
func flyURL(p object) string {
	if app := p.text("app_name"); app != "" {
		return "https://" + app + ".fly.dev"
	}
	return ""
}
