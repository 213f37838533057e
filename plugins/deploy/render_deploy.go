package deploy

import (
	"context"
	"fmt"
	"maps"

	"github.com/orch-host/orch/plugins/deploy/internal/httpapi"
	"github.com/orch-host/orch/plugins/deploy/internal/render"
	"github.com/orch-host/orch/sdk"
)

// renderState is carried from attempt to attempt.
type renderState struct {
	ServiceID    string `json:"service_id,omitempty"`
	DeploymentID string `json:"deployment_id,omitempty"`
}

// deployRender makes the service exist with its variables, brings image or commit live and waits for the verdict.
func (d *deployer) deployRender(ctx context.Context, in RenderInput) (Result, error) {
	s := d.settings()
	res := Result{Platform: "render", DryRun: in.DryRun, Plan: []string{}}
	err := d.runRenderDeploy(ctx, s, in, &res)
	return res, fail(err)
}

// renderRun is one deployment, or rollback, on Render.
type renderRun struct {
	d       *deployer
	s       *settings
	in      RenderInput
	res     *Result
	owner   string
	service render.Service
	run     string
	want    string
	seen    marker
}

func (d *deployer) runRenderDeploy(ctx context.Context, s *settings, in RenderInput, res *Result) error {
	if err := in.check(); err != nil {
		return err
	}
	leave, err := d.guard.enter(ctx, "render", in.AppName)
	if err != nil {
		return err
	}
	defer leave()
	if err := s.renderReady(); err != nil {
		return err
	}
	if in.Image == "" && in.RepoURL == "" {
		return invalid("give image, or repo_url to build from")
	}
	res.AppName = in.AppName
	r := &renderRun{d: d, s: s, in: in, res: res, run: runKey(sdk.GetInfo(ctx).IdempotencyKey)}
	env, err := s.secrets(in.App)
	if err != nil {
		return err
	}
	maps.Copy(env, in.plainEnv())
	if in.Image != "" {
		if r.in.Image, err = d.publishImage(ctx, s, in.App, "", res); err != nil {
			return err
		}
		res.Image = r.in.Image
	}
	if r.owner, err = s.renderOwner(ctx, in); err != nil {
		return err
	}
	credential, err := r.credential(ctx)
	if err != nil {
		return err
	}
	service, found, err := s.findRenderService(ctx, r.owner, in.AppName)
	if err != nil {
		return err
	}
	r.service = service
	if !found {
		if in.DryRun {
			res.Plan = append(res.Plan, "create service "+in.AppName, "deploy "+r.source())
			return nil
		}
		if err := r.create(ctx, env, credential); err != nil {
			return err
		}
		return r.finish(ctx)
	}
	res.ServiceID, res.DeploymentURL = service.ID, service.Details.URL
	if err := r.ensureDeploy(ctx, env, credential); err != nil || in.DryRun {
		return err
	}
	return r.finish(ctx)
}

// content is what the fingerprint covers: everything a deployment takes up.
func (r *renderRun) content(env map[string]string, credential string) map[string]any {
	vars := maps.Clone(env)
	delete(vars, markerVariable)
	out := map[string]any{"health": r.in.HealthPath, "pre": r.in.ReleaseCommand, "plan": r.in.InstancePlan, "credential": credential, "env": vars}
	if r.in.Image != "" {
		out["image"] = r.in.Image // a new commit beside it deploys nothing else
	} else {
		// Without a commit it is the branch's newest, which another run than this one may find to be another.
		out["repo"], out["branch"], out["commit"] = r.in.RepoURL, r.in.Branch, firstOf(r.in.CommitSHA, "newest for "+r.run)
	}
	return out
}

func (r *renderRun) source() string {
	return firstOf(r.in.Image, r.in.CommitSHA, r.in.RepoURL+" "+r.in.Branch)
}

// create makes the service, which starts its first deploy. The marker goes in with the service, so that an attempt that
// finds the service knows whose it is and what it was to run.
func (r *renderRun) create(ctx context.Context, env map[string]string, credential string) error {
	r.want = fingerprint(r.in.AppName, r.content(env, credential))
	r.seen = marker{Want: r.want, Run: r.run}
	in := render.ServiceInput{
		Type: "web_service", Name: r.in.AppName, OwnerID: r.owner, AutoDeploy: "no",
		EnvVars: []render.EnvVar{{Key: markerVariable, Value: r.seen.String()}},
		Details: render.ServiceDetails{Runtime: r.in.runtime(), Plan: r.in.InstancePlan, Region: r.in.Region, HealthCheckPath: r.in.HealthPath,
			NumInstances: r.in.Instances, MaxShutdownDelaySeconds: r.in.ShutdownSeconds},
	}
	if r.in.ReleaseCommand != "" {
		in.Details.PreDeployCommand = &r.in.ReleaseCommand
	}
	for _, k := range sorted(env) {
		in.EnvVars = append(in.EnvVars, render.EnvVar{Key: k, Value: env[k]})
	}
	if r.in.Image != "" {
		in.Image = &render.Image{OwnerID: r.owner, ImagePath: r.in.Image, RegistryCredentialID: credential}
	} else {
		in.Repo, in.Branch = r.in.RepoURL, r.in.Branch
	}
	service, deploy, err := r.s.render.CreateService(ctx, in)
	if err != nil {
		// Refused, or no answer: is it there all the same?
		if !httpapi.Is(err, httpapi.Conflict, httpapi.Network, httpapi.Server, httpapi.Invalid) || cancelled(ctx) {
			return err
		}
		found, ok, rerr := r.s.findRenderService(ctx, r.owner, r.in.AppName)
		if rerr != nil || !ok {
			return err
		}
		r.service = found
		r.res.ServiceID, r.res.DeploymentURL = found.ID, found.Details.URL
		return r.ensureDeploy(ctx, env, credential)
	}
	r.service, r.res.ServiceID, r.res.DeploymentURL, r.res.DeploymentID = service, service.ID, service.Details.URL, deploy
	sdk.Heartbeat(ctx, renderState{ServiceID: service.ID, DeploymentID: deploy})
	r.res.Changed = true
	r.res.Plan = append(r.res.Plan, "created service "+r.in.AppName, "deployed "+r.source())
	if deploy == "" {
		r.res.DeploymentID, err = r.newest(ctx, "")
	}
	return err
}

// ensureDeploy brings an existing service up to date: variables, settings, and then a deploy, unless the newest one is
// what is wanted.
func (r *renderRun) ensureDeploy(ctx context.Context, env map[string]string, credential string) error {
	have, err := r.s.render.EnvVars(ctx, r.service.ID)
	if err != nil {
		return err
	}
	r.seen = parseMarker(have[markerVariable])
	after := maps.Clone(have)
	for _, k := range sorted(env) {
		old, had := have[k]
		if had && old == env[k] {
			continue
		}
		after[k] = env[k]
		r.res.Plan = append(r.res.Plan, map[bool]string{true: "replace variable ", false: "add variable "}[had]+k)
		if r.in.DryRun {
			continue
		}
		if err := r.s.render.SetEnvVar(ctx, r.service.ID, k, env[k]); err != nil {
			return err
		}
		r.res.Changed = true
	}
	if err := r.ensureSettings(ctx); err != nil {
		return err
	}
	// The salt is the name, not the id: create() has to write the marker before there is an id.
	r.want = fingerprint(r.in.AppName, r.content(after, credential))
	latest, err := r.latest(ctx)
	if err != nil {
		return err
	}
	r.res.PreviousImage = r.service.ImagePath
	next := start
	if r.in.Image == "" || repositoryOf(r.service.ImagePath) == repositoryOf(r.in.Image) {
		next = r.seen.decide(r.want, r.run, latest.ID, renderVerdict(latest.Status))
	}
	if next == adopt {
		r.res.DeploymentID = latest.ID
		r.res.Changed = r.res.Changed || (r.run != "" && r.seen.Run == r.run)
		return nil
	}
	if r.in.DryRun {
		r.res.Plan = append(r.res.Plan, fmt.Sprintf("deploy %s in place of %s", r.source(), firstOf(r.service.ImagePath, latest.ID)))
		return nil
	}
	if err := r.announce(ctx, latest.ID); err != nil {
		return err
	}
	id, err := r.start(ctx, latest.ID, func() (string, error) {
		if patch, differs := r.patch(credential); differs {
			if err := r.s.render.UpdateService(ctx, r.service.ID, patch); err != nil {
				return "", err
			}
			// autoDeploy is off, so this starts nothing; if it did, that deploy is the one.
			now, err := r.latest(ctx)
			if err != nil || now.ID != latest.ID {
				return now.ID, err
			}
		}
		in := render.DeployInput{ImageURL: r.in.Image}
		if r.in.Image == "" {
			in.CommitID = r.in.CommitSHA
		}
		return r.s.render.StartDeploy(ctx, r.service.ID, in)
	})
	if err != nil {
		return err
	}
	r.res.DeploymentID = id
	r.res.Plan = append(r.res.Plan, "deployed "+r.source())
	return nil
}

// ensureSettings brings up to date what deploys nothing by itself, and names what Render takes from us at the creation only.
func (r *renderRun) ensureSettings(ctx context.Context) error {
	have := &r.service.Details
	if r.in.Instances > 1 && have.NumInstances > 0 && have.NumInstances != r.in.Instances {
		r.res.Warnings = append(r.res.Warnings, fmt.Sprintf("instances %d is not set: service %s exists with %d; scale it in the dashboard", r.in.Instances, r.in.AppName, have.NumInstances))
	}
	if r.in.Region != "" && have.Region != "" && have.Region != r.in.Region {
		r.res.Warnings = append(r.res.Warnings, fmt.Sprintf("region %s is not set: service %s exists in %s, and Render moves none", r.in.Region, r.in.AppName, have.Region))
	}
	want := r.in.ShutdownSeconds
	if want == 0 || have.ShutdownDelay == want {
		return nil
	}
	r.res.Plan = append(r.res.Plan, fmt.Sprintf("set the shutdown delay to %d s", want))
	if r.in.DryRun {
		return nil
	}
	err := r.s.render.UpdateService(ctx, r.service.ID, render.ServicePatch{Details: &render.ServiceDetails{MaxShutdownDelaySeconds: want}})
	if err != nil {
		return err
	}
	have.ShutdownDelay, r.res.Changed = want, true
	return nil
}

// patch is what differs in the service's settings. Render takes the same image repository in a deploy, but not another.
func (r *renderRun) patch(credential string) (render.ServicePatch, bool) {
	var p render.ServicePatch
	differs := false
	if r.in.Image != "" {
		if repositoryOf(r.service.ImagePath) != repositoryOf(r.in.Image) {
			p.Image = &render.Image{OwnerID: r.owner, ImagePath: r.in.Image, RegistryCredentialID: credential}
			differs = true
		}
	} else if r.service.Repo != r.in.RepoURL || r.service.Branch != r.in.Branch {
		p.Repo, p.Branch, differs = r.in.RepoURL, r.in.Branch, true
	}
	var details render.ServiceDetails
	if r.service.Details.EnvSpecific.PreDeployCommand != r.in.ReleaseCommand {
		details.PreDeployCommand = &r.in.ReleaseCommand // also when it is empty: the old one would run on
	}
	if r.service.Details.HealthCheckPath != r.in.HealthPath {
		details.HealthCheckPath = r.in.HealthPath
	}
	if r.in.InstancePlan != "" && r.service.Details.Plan != r.in.InstancePlan {
		details.Plan = r.in.InstancePlan
	}
	if details != (render.ServiceDetails{}) {
		p.Details, differs = &details, true
	}
	return p, differs
}

func (r *renderRun) announce(ctx context.Context, latest string) error {
	r.seen = marker{Want: r.want, Prev: latest, Run: r.run}
	return r.s.render.SetEnvVar(ctx, r.service.ID, markerVariable, r.seen.String())
}
