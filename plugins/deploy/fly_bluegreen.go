package deploy

import (
	"context"
	"fmt"

	"github.com/orch-host/orch/plugins/deploy/internal/fly"
	"github.com/orch-host/orch/sdk"
)

// blueGreen brings up green machines out of the load balancer, lets them in when all of their checks pass, and then
// removes the blue ones. Until the greens are let in, a failure changes nothing for the users.
func (r *flyRun) blueGreen(ctx context.Context, f fleet, missing int) error {
	greens := f.current
	taken := f.names()
	// The name holds the run: a blue machine of an earlier run may have been made for the same content.
	tag := fingerprint(r.want, r.run)[:8]
	for k := 1; missing > 0; k++ {
		name := fmt.Sprintf("%s-%s-%d", r.in.AppName, tag, k)
		if taken[name] {
			continue
		}
		m, err := r.create(ctx, name, true)
		if err != nil {
			return err
		}
		greens = append(greens, m)
		missing--
	}
	for _, m := range greens {
		if err := r.healthy(ctx, m, nil); err != nil {
			return r.abandon(ctx, greens, err)
		}
	}
	for _, m := range greens {
		if err := r.s.fly.Uncordon(ctx, r.in.AppName, m.ID); err != nil {
			return err
		}
	}
	r.res.Plan = append(r.res.Plan, fmt.Sprintf("let %d green machines with %s into the load balancer", len(greens), r.res.Image))
	for i, m := range f.stale {
		sdk.Progress(ctx, "removing blue machine "+m.Name, int64(i), int64(len(f.stale)))
		if err := r.remove(ctx, m); err != nil {
			return err
		}
		r.res.Plan = append(r.res.Plan, fmt.Sprintf("removed blue machine %s (%s)", m.Name, m.Image()))
	}
	return nil
}

// remove takes a blue machine out of the load balancer and destroys it.
func (r *flyRun) remove(ctx context.Context, m fly.Machine) error {
	lease, err := r.lease(ctx, m.ID)
	if err != nil {
		return err
	}
	if err := r.s.fly.Cordon(ctx, r.in.AppName, m.ID, lease.nonce); err != nil {
		lease.release(ctx)
		return err
	}
	if err := r.s.fly.DestroyMachine(ctx, r.in.AppName, m.ID, lease.nonce); err != nil {
		lease.release(ctx)
		return err
	}
	return nil // the lease went with the machine
}

// abandon removes the greens after a final failure; the blue machines never stopped serving. Anything else leaves them
// for the next attempt.
func (r *flyRun) abandon(ctx context.Context, greens []fly.Machine, cause error) error {
	if !isDeployFailed(cause) {
		return cause
	}
	for _, m := range greens {
		if err := r.s.fly.DestroyMachine(ctx, r.in.AppName, m.ID, ""); err != nil {
			sdk.Logger(ctx).Warn("a failed green machine is still there", "machine", m.ID, "error", err)
		}
	}
	return cause
}
