package deploy

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/orch-host/orch/plugins/deploy/internal/railway"
	"github.com/orch-host/orch/sdk"
)

// deployRailway brings the image live on the service and waits for the verdict.
func (d *deployer) deployRailway(ctx context.Context, in RailwayInput) (Result, error) {
	s := d.settings()
	res := Result{Platform: "railway", DryRun: in.DryRun, Plan: []string{}}
	err := d.runRailwayDeploy(ctx, s, in, &res)
	return res, fail(err)
}

func (d *deployer) runRailwayDeploy(ctx context.Context, s *settings, in RailwayInput, res *Result) error {
	if err := in.check(); err != nil {
		return err
	}
	leave, err := d.guard.enter(ctx, "railway", in.AppName)
	if err != nil {
		return err
	}
	defer leave()
	if in.Image == "" {
		return invalid("image is missing: Railway deploys an image with a tag or digest from a registry it can reach")
	}
	res.AppName = in.AppName
	image, err := d.publishImage(ctx, s, in.App, "", res)
	if err != nil {
		return err
	}
	res.Image = image
	t, found, err := s.railwayTarget(ctx, in, res)
	if err != nil {
		return err
	}
	if !found {
		res.Plan = append(res.Plan, "deploy "+image, "create a domain")
		return nil
	}
	if err := d.ensureRailwayDomain(ctx, s, in, t, res); err != nil {
		return err
	}
	vars, err := s.railway.Variables(ctx, t)
	if err != nil {
		return err
	}
	now, err := s.railway.Instance(ctx, t)
	if err != nil {
		return err
	}
	settings := in.instanceSettings(image)
	r := &railwayRun{d: d, s: s, t: t, in: in, res: res, run: runKey(sdk.GetInfo(ctx).IdempotencyKey), seen: parseMarker(vars[markerVariable])}
	r.want = fingerprint(t.ServiceID, map[string]any{"settings": settings, "variables": deployedVariables(vars)})
	if now.Source != nil && now.Source.Image != "" {
		res.PreviousImage = now.Source.Image
	}
	next := start
	// A source that was changed by hand is stale, whatever was announced.
	if now.Source != nil && now.Source.Image == image {
		next = r.seen.decide(r.want, r.run, now.LatestID(), railwayVerdict(now))
	}
	if next == start {
		if in.DryRun {
			res.Plan = append(res.Plan, fmt.Sprintf("deploy %s in place of %s", image, firstOf(res.PreviousImage, "nothing")))
			return nil
		}
		if err := r.announce(ctx, now.LatestID()); err != nil {
			return err
		}
		id, err := r.start(ctx, now.LatestID(), func() (string, error) {
			if err := s.railway.UpdateInstance(ctx, t, s.sentSettings(settings, image)); err != nil {
				return "", err
			}
			if id, err := r.startedByUpdate(ctx, now.LatestID()); id != "" || err != nil {
				return id, err
			}
			return s.railway.Deploy(ctx, t)
		})
		if err != nil {
			return err
		}
		res.DeploymentID = id
		res.Plan = append(res.Plan, "deployed "+image)
	} else {
		res.DeploymentID = now.LatestID()
		res.Changed = r.run != "" && r.seen.Run == r.run
	}
	if in.DryRun {
		return nil
	}
	return r.finish(ctx)
}

// updateLooks is how often the service is looked at before a deployment is started beside the update.
const updateLooks = 3

// startedByUpdate is the deployment that the update has started by itself, if any. Whether it does is not documented, nor
// how soon it shows: starting one too early makes two.
func (r *railwayRun) startedByUpdate(ctx context.Context, before string) (string, error) {
	for look := 1; ; look++ {
		now, err := r.s.railway.Instance(ctx, r.t)
		if err != nil {
			return "", err
		}
		if id := now.LatestID(); id != before {
			return id, nil
		}
		if look == updateLooks {
			return "", nil
		}
		if err := sleep(ctx, r.d.pacing().railway); err != nil {
			return "", err
		}
	}
}

// instanceSettings are what we set on a service; see sentSettings for what is added when they are sent.
func (in RailwayInput) instanceSettings(image string) map[string]any {
	out := map[string]any{
		"source":                  map[string]any{"image": image},
		"healthcheckPath":         in.HealthPath,
		"healthcheckTimeout":      300,
		"restartPolicyType":       "ON_FAILURE",
		"restartPolicyMaxRetries": restartRetries,
		"overlapSeconds":          in.OverlapSeconds,
		"drainingSeconds":         in.DrainingSeconds,
		"numReplicas":             in.Instances,
	}
	if in.ReleaseCommand != "" {
		out["preDeployCommand"] = []string{in.ReleaseCommand}
	}
	if in.Region != "" {
		out["region"] = in.Region
	}
	return out
}

// sentSettings are the settings with what does not belong into a fingerprint or a file: the login of the registry, and an
// empty list in place of no release command, without which an earlier one would run on.
func (s *settings) sentSettings(settings map[string]any, image string) map[string]any {
	out := maps.Clone(settings)
	if _, given := out["preDeployCommand"]; !given {
		out["preDeployCommand"] = []string{}
	}
	if login, ok := s.Registries[registryHost(image)]; ok {
		out["registryCredentials"] = map[string]string{"username": login.Username, "password": login.Password.Reveal()}
	}
	return out
}

// deployedVariables are the variables that a deployment takes up: all but the marker and those that Railway provides.
func deployedVariables(vars map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range vars {
		if k != markerVariable && !strings.HasPrefix(k, "RAILWAY_") {
			out[k] = v
		}
	}
	return out
}

// railwayRun is one deployment, or rollback, on Railway.
type railwayRun struct {
	d    *deployer
	s    *settings
	t    railway.Target
	in   RailwayInput
	res  *Result
	run  string
	want string
	seen marker
}

// announce writes down what is about to be started and what was the newest deployment before.
func (r *railwayRun) announce(ctx context.Context, latest string) error {
	r.seen = marker{Want: r.want, Prev: latest, Run: r.run}
	return r.s.railway.SetVariables(ctx, r.t, map[string]string{markerVariable: r.seen.String()})
}
