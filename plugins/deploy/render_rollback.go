package deploy

import (
	"context"
	"fmt"

	"github.com/orch-host/orch/plugins/deploy/internal/httpapi"
	"github.com/orch-host/orch/sdk"
)

// rollbackRender brings an earlier deploy back. Variables and databases are not rolled back.
func (d *deployer) rollbackRender(ctx context.Context, in RenderInput) (Result, error) {
	s := d.settings()
	res := Result{Platform: "render", DryRun: in.DryRun, Plan: []string{}}
	err := d.runRenderRollback(ctx, s, in, &res)
	return res, fail(err)
}

func (d *deployer) runRenderRollback(ctx context.Context, s *settings, in RenderInput, res *Result) error {
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
	res.AppName = in.AppName
	target := in.PreviousDeploymentID
	if target == "" && in.PreviousImage != "" {
		return final(typeNothingBefore, "render: %s ran before, and no deploy of it is known that could be rolled back to; deploy that image again", in.PreviousImage)
	}
	if target == "" {
		res.Warnings = append(res.Warnings, "there is no earlier deploy: this was the first one, and it stays as it is")
		return nil
	}
	r := &renderRun{d: d, s: s, in: in, res: res, run: runKey(sdk.GetInfo(ctx).IdempotencyKey)}
	if r.owner, err = s.renderOwner(ctx, in); err != nil {
		return err
	}
	service, found, err := s.findRenderService(ctx, r.owner, in.AppName)
	if err != nil {
		return err
	}
	if !found {
		return final(string(httpapi.NotFound), "render: there is no service %s to roll back", in.AppName)
	}
	r.service = service
	res.ServiceID, res.DeploymentURL = service.ID, service.Details.URL
	have, err := s.render.EnvVars(ctx, service.ID)
	if err != nil {
		return err
	}
	r.seen = parseMarker(have[markerVariable])
	r.want = fingerprint(in.AppName, map[string]any{"rollback": target})
	latest, err := r.latest(ctx)
	if err != nil {
		return err
	}
	if latest.ID == target && renderVerdict(latest.Status) == live {
		res.DeploymentID = target
		return nil
	}
	if r.seen.decide(r.want, r.run, latest.ID, renderVerdict(latest.Status)) == adopt {
		res.DeploymentID = latest.ID
		res.Changed = r.run != "" && r.seen.Run == r.run
	} else {
		if in.DryRun {
			res.Plan = append(res.Plan, fmt.Sprintf("roll back from deploy %s to %s", latest.ID, target))
			return nil
		}
		if err := r.announce(ctx, latest.ID); err != nil {
			return err
		}
		if res.DeploymentID, err = r.start(ctx, latest.ID, func() (string, error) { return s.render.Rollback(ctx, service.ID, target) }); err != nil {
			return err
		}
		res.Plan = append(res.Plan, "rolled back to deploy "+target)
	}
	if in.DryRun {
		return nil
	}
	if err := r.await(ctx); err != nil {
		return err
	}
	return r.note(ctx)
}
