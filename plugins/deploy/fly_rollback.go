package deploy

import (
	"context"
	"errors"
	"fmt"

	"github.com/orch-host/orch/sdk"
)

// rollbackFly brings the previous image back on every machine. Configuration, secrets and databases are not rolled back.
func (d *deployer) rollbackFly(ctx context.Context, in FlyInput) (Result, error) {
	s := d.settings()
	res := Result{Platform: "flyio", DryRun: in.DryRun, Plan: []string{}}
	err := d.runFlyRollback(ctx, s, in, &res)
	return res, fail(err)
}

func (d *deployer) runFlyRollback(ctx context.Context, s *settings, in FlyInput, res *Result) error {
	if err := in.check(); err != nil {
		return err
	}
	leave, err := d.guard.enter(ctx, "flyio", in.AppName)
	if err != nil {
		return err
	}
	defer leave()
	if s.Fly.Token == "" {
		return notConfigured("fly.token")
	}
	res.AppName, res.DeploymentURL, res.Image = in.AppName, flyURL(in.AppName), in.PreviousImage
	if in.PreviousImage == "" {
		res.Warnings = append(res.Warnings, "there is no earlier image: this was the first deployment, and it stays as it is")
		return nil
	}
	if !imageOK.MatchString(in.PreviousImage) {
		return invalid("previous_image %q is not an image reference", in.PreviousImage)
	}
	run := runKey(sdk.GetInfo(ctx).IdempotencyKey)
	r := &flyRun{d: d, s: s, in: in, res: res, run: run, ours: map[string]any{"image": in.PreviousImage}}
	r.want = fingerprint(in.AppName, map[string]any{"rollback": in.PreviousImage})
	res.DeploymentID = "orch-" + r.want
	f, err := r.fleet(ctx)
	if err != nil {
		return err
	}
	for _, m := range append(f.current, f.stale...) {
		if m.Image() == in.PreviousImage {
			if r.run != "" && m.Meta(flyRunKey) == r.run {
				res.Changed = true
				if err := r.healthy(ctx, m, nil); err != nil {
					return err
				}
			}
			continue
		}
		line := fmt.Sprintf("machine %s from %s back to %s", m.Name, m.Image(), in.PreviousImage)
		if in.DryRun {
			res.Plan = append(res.Plan, "update "+line)
			continue
		}
		if err := r.update(ctx, m, overlay(m.Config, r.ours, r.metadata(groupApp))); err != nil {
			return err
		}
		res.Changed = true
		res.Plan = append(res.Plan, "updated "+line)
	}
	if in.Image == in.PreviousImage && !res.Changed && !in.DryRun {
		return final(typeNothingBefore, "fly: %s ran before too, and the configuration that was changed is not rolled back; deploy with the earlier one", in.PreviousImage)
	}
	return nil
}

// restore goes back after a failed deployment: an image that does not run must not stay in place of one that did. The
// workflow's own rollback comes after the health check only, and a machine that failed here is down already.
func (r *flyRun) restore(ctx context.Context, cause error) error {
	previous := r.res.PreviousImage
	if !isDeployFailed(cause) || previous == "" || (r.in.RollbackOnFailure != nil && !*r.in.RollbackOnFailure) {
		return cause
	}
	note := func(format string, args ...any) error {
		var e *sdk.Error
		if errors.As(cause, &e) {
			e.Message += "; " + r.s.redact.String(fmt.Sprintf(format, args...))
		}
		return cause
	}
	f, err := r.fleet(ctx)
	if err != nil {
		return note("going back to %s failed: %v", previous, err)
	}
	if r.in.Strategy == "bluegreen" && len(f.stale) > 0 {
		return cause // the blue machines serve as before; a green one that could not be removed serves nobody
	}
	back := &flyRun{d: r.d, s: r.s, in: r.in, res: &Result{DeploymentID: r.res.DeploymentID + "-restore"}, run: r.run}
	for _, m := range f.current {
		config, known := r.before[m.ID]
		if !known {
			// An earlier attempt replaced it: its image is known, the rest of its configuration is not.
			config = overlay(m.Config, map[string]any{"image": previous}, map[string]string{flyWant: "restored"})
		}
		if err := back.update(ctx, m, config); err != nil {
			return note("bringing machine %s back to %s failed: %v", m.Name, previous, err)
		}
	}
	if len(f.current) == 0 {
		return cause
	}
	return note("the machines run %s again", previous)
}
