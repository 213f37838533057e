package deploy

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/orch-host/orch/sdk"
)

// Plugin describes the group for sdk.Serve.
func Plugin(version string) sdk.Plugin { return newDeployer(defaultPace()).plugin(version) }

// deployer holds what the activities share: the configuration in force and how fast they poll.
type deployer struct {
	current atomic.Pointer[settings]
	pace    pace
	docker  func() (dockerAPI, error)
	guard   guard
}

func newDeployer(p pace) *deployer { return &deployer{pace: p, docker: localDocker} }

func (d *deployer) plugin(version string) sdk.Plugin {
	return sdk.Plugin{
		Group: "deploy", Name: "deploy", Version: version,
		Doc:        "Deploys an application to Fly.io, Railway or Render, checks its health and rolls back.",
		Config:     sdk.Config(d.configure),
		Activities: d.activities(),
		Close: func(context.Context) error {
			if s := d.current.Load(); s != nil {
				s.http.CloseIdleConnections()
			}
			return nil
		},
	}
}

func (d *deployer) activities() []sdk.ActivityDef {
	quick := []sdk.ActivityOption{sdk.Idempotent(), sdk.Timeout(5 * time.Minute), sdk.HeartbeatEvery(time.Minute)}
	long := []sdk.ActivityOption{sdk.Idempotent(), sdk.Timeout(15 * time.Minute), sdk.HeartbeatEvery(time.Minute)}
	return []sdk.ActivityDef{
		sdk.Activity("generate_deployment_configs_activity", "Writes fly.toml, render.yaml or railway.plan.json.", d.generateConfigs, quick...),

		sdk.Activity("create_flyio_app_activity", "Makes the Fly app and its public addresses exist.", d.createFlyApp, quick...),
		sdk.Activity("set_flyio_secrets_activity", "Sets the app's secrets, staged for the next deployment.", d.setFlySecrets, quick...),
		sdk.Activity("deploy_to_flyio_activity", "Brings an image live on Fly Machines, rolling or blue-green.", d.deployFly, long...),
		sdk.Activity("rollback_flyio_activity", "Brings the previous image back on Fly Machines.", d.rollbackFly, long...),

		sdk.Activity("create_railway_project_activity", "Makes the Railway project and service exist.", d.createRailwayProject, quick...),
		sdk.Activity("set_railway_env_vars_activity", "Sets the service's variables without deploying.", d.setRailwayVars, quick...),
		sdk.Activity("deploy_to_railway_activity", "Brings an image live on Railway.", d.deployRailway, long...),
		sdk.Activity("rollback_railway_activity", "Brings the previous deployment back on Railway.", d.rollbackRailway, long...),

		sdk.Activity("create_render_blueprint_activity", "Writes render.yaml and has Render validate it.", d.createRenderBlueprint, quick...),
		sdk.Activity("push_to_github_activity", "Commits the generated files to a GitHub repository.", d.pushToGitHub, quick...),
		sdk.Activity("deploy_to_render_activity", "Brings an image or a commit live on Render.", d.deployRender, long...),
		sdk.Activity("rollback_render_activity", "Brings the previous deploy back on Render.", d.rollbackRender, long...),

		sdk.Activity("check_deployment_health_activity", "Asks the deployed URL until it answers well twice in a row.", d.checkHealth, long...),
	}
}

func (d *deployer) configure(_ context.Context, c Config) error {
	s, err := newSettings(c)
	if err != nil {
		return err
	}
	if old := d.current.Swap(s); old != nil {
		old.http.CloseIdleConnections()
	}
	return nil
}

// pacing is how often the activities look now.
func (d *deployer) pacing() pace {
	p := d.pace
	if every := time.Duration(d.settings().PollInterval); every > 0 {
		p.first, p.max, p.railway, p.health = every, every, every, every
	}
	return p
}

// settings returns the configuration in force; before the first one, an empty configuration.
func (d *deployer) settings() *settings {
	if s := d.current.Load(); s != nil {
		return s
	}
	s, _ := newSettings(Config{})
	d.current.CompareAndSwap(nil, s)
	return d.current.Load()
}
