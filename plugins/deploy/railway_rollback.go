package deploy

import (
	"context"
	"fmt"

	"github.com/orch-host/orch/plugins/deploy/internal/railway"
	"github.com/orch-host/orch/sdk"
)

// rollbackRailway brings an earlier deployment back, with the image and variables it had. Databases are not rolled back.
func (d *deployer) rollbackRailway(ctx context.Context, in RailwayInput) (Result, error) {
	s := d.settings()
	res := Result{Platform: "railway", DryRun: in.DryRun, Plan: []string{}}
	err := d.runRailwayRollback(ctx, s, in, &res)
	return res, fail(err)
}

func (d *deployer) runRailwayRollback(ctx context.Context, s *settings, in RailwayInput, res *Result) error {
	if err := in.check(); err != nil {
		return err
	}
	leave, err := d.guard.enter(ctx, "railway", in.AppName)
	if err != nil {
		return err
	}
	defer leave()
	res.AppName = in.AppName
	target := in.PreviousDeploymentID
	if target == "" && in.PreviousImage != "" {
		return final(typeNothingBefore, "railway: %s ran before, and no deployment of it is known that could be rolled back to; deploy that image again", in.PreviousImage)
	}
	if target == "" {
		res.Warnings = append(res.Warnings, "there is no earlier deployment: this was the first one, and it stays as it is")
		return nil
	}
	t, found, err := s.railwayTarget(ctx, in, res)
	if err != nil || !found {
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
	r := &railwayRun{d: d, s: s, t: t, in: in, res: res, run: runKey(sdk.GetInfo(ctx).IdempotencyKey), seen: parseMarker(vars[markerVariable])}
	r.want = fingerprint(t.ServiceID, map[string]any{"rollback": target})
	if now.LatestID() == target && railwayVerdict(now) == live {
		res.DeploymentID = target
		res.Changed = r.run != "" && r.seen.Want == r.want && r.seen.Run == r.run // an earlier attempt did it
		return r.finishRollback(ctx)
	}
	if r.seen.decide(r.want, r.run, now.LatestID(), railwayVerdict(now)) == adopt {
		res.DeploymentID = now.LatestID()
		res.Changed = r.run != "" && r.seen.Run == r.run
		return r.finishRollback(ctx)
	}
	dep, err := s.railway.Deployment(ctx, target)
	if err != nil {
		return err
	}
	if !dep.CanRollback {
		return invalid("railway: deployment %s (%s) cannot be rolled back to; its image is no longer kept", target, dep.Status)
	}
	if in.DryRun {
		res.Plan = append(res.Plan, fmt.Sprintf("roll back from deployment %s to %s", now.LatestID(), target))
		return nil
	}
	if err := r.announce(ctx, now.LatestID()); err != nil {
		return err
	}
	id, err := r.start(ctx, now.LatestID(), func() (string, error) {
		if err := s.railway.Rollback(ctx, target); err != nil {
			return "", err
		}
		return r.rolledBack(ctx, now.LatestID(), target)
	})
	if err != nil {
		return err
	}
	res.DeploymentID = id
	res.Plan = append(res.Plan, "rolled back to deployment "+target)
	return r.finishRollback(ctx)
}

// rolledBack learns which deployment carries the rollback: a new one, or the old one made active again.
func (r *railwayRun) rolledBack(ctx context.Context, before, target string) (id string, err error) {
	p := r.d.pacing()
	err = poll(ctx, "the rollback to "+target, p.settle, p.first, p.railway, func(ctx context.Context) (bool, error) {
		now, err := r.s.railway.Instance(ctx, r.t)
		if err != nil {
			return false, err
		}
		if id = now.LatestID(); id != before {
			return true, nil
		}
		dep, err := r.s.railway.Deployment(ctx, target)
		if err == nil && dep.Status.Verdict() == railway.Live {
			id = target
			return true, nil
		}
		return false, err
	})
	return id, err
}

// finishRollback waits, and reports no "previous" one: what ran before the rollback was unwell.
func (r *railwayRun) finishRollback(ctx context.Context) error {
	domains, err := r.s.railway.Domains(ctx, r.t)
	if err != nil {
		return err
	}
	if len(domains) > 0 {
		r.res.DeploymentURL = withScheme(domains[0])
	}
	if err := r.await(ctx); err != nil {
		return err
	}
	if r.seen.ID == r.res.DeploymentID || r.in.DryRun || r.seen.Want != r.want {
		return nil
	}
	r.seen.ID = r.res.DeploymentID
	return r.s.railway.SetVariables(ctx, r.t, map[string]string{markerVariable: r.seen.String()})
}
