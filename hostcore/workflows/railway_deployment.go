package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

func railwayDeployment() spec {
	return spec{
		name:    "RailwayDeploymentWorkflow",
		summary: "deploy an application to Railway and check it",
		retry:   remoteRetry(), timeout: 15 * time.Minute,
		activities: []string{
			generateConfigs,
			"create_railway_project_activity",
			"set_railway_env_vars_activity",
			"deploy_to_railway_activity",
			checkHealth,
		},
		undo: []string{"rollback_railway_activity"},
	}
}

// RailwayDeploymentWorkflow deploys an application to Railway, checks it, and rolls back when it is not healthy.
func RailwayDeploymentWorkflow(ctx workflow.Context, params Arg) (string, error) {
	f := begin(ctx, railwayDeployment())
	f.log.Info("RailwayDeploymentWorkflow start")
	p := f.deployParams(params, "railway-deploy")
	f.step(generateConfigs, p.with("platforms", []string{"railway"}))
	f.step("create_railway_project_activity", p)
	f.step("set_railway_env_vars_activity", p)
	deployed := f.step("deploy_to_railway_activity", p).fields()
	f.verify(deployment{
		params: p, result: deployed,
		url:      deployed.text("deployment_url"),
		rollback: "rollback_railway_activity",
	})
	return f.complete("railway_deploy_complete")
}
