package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/orch-host/orch/plugins/deploy/internal/fly"
	"github.com/orch-host/orch/plugins/deploy/internal/httpapi"
	"github.com/orch-host/orch/sdk"
)

// rolling updates one machine after the other, each healthy before the next is touched, and then creates what is missing.
func (r *flyRun) rolling(ctx context.Context, f fleet, missing int) error {
	for _, m := range f.current {
		if idle, err := r.wake(ctx, m); err != nil {
			return err
		} else if idle {
			continue
		}
		if err := r.healthy(ctx, m, nil); err != nil {
			return err
		}
	}
	for i, m := range f.stale {
		sdk.Progress(ctx, "updating machine "+m.Name, int64(i), int64(len(f.stale)+missing))
		if err := r.update(ctx, m, overlay(m.Config, r.ours, r.metadata(groupApp))); err != nil {
			if left := len(f.stale) - i - 1; left > 0 {
				r.res.Warnings = append(r.res.Warnings, fmt.Sprintf("%d machines still run %s", left, m.Image()))
			}
			return err
		}
		r.res.Plan = append(r.res.Plan, fmt.Sprintf("updated machine %s to %s", m.Name, r.res.Image))
	}
	taken := f.names()
	for k := 1; missing > 0; k++ {
		name := fmt.Sprintf("%s-%d", r.in.AppName, k)
		if taken[name] {
			continue
		}
		m, err := r.create(ctx, name, false)
		if err != nil {
			return err
		}
		if err := r.healthy(ctx, m, nil); err != nil {
			return err
		}
		r.res.Plan = append(r.res.Plan, fmt.Sprintf("created machine %s with %s", name, r.res.Image))
		missing--
	}
	return nil
}

// update gives a machine a new configuration under its lease and waits for its checks.
func (r *flyRun) update(ctx context.Context, m fly.Machine, config map[string]any) error {
	lease, err := r.lease(ctx, m.ID)
	if err != nil {
		return err
	}
	defer lease.release(ctx)
	if r.before != nil {
		r.before[m.ID] = m.Config
	}
	updated, err := r.s.fly.UpdateMachine(ctx, r.in.AppName, m.ID, lease.nonce, fly.MachineInput{
		Config: config, CurrentVersion: m.InstanceID, MinSecretsVersion: r.secrets,
	})
	if err != nil {
		return err
	}
	if updated.Name == "" {
		updated.Name = m.Name
	}
	return r.healthy(ctx, updated, lease)
}

// create makes a machine of a name that is the same on every attempt: a machine of that name is an earlier attempt's.
// A region without room gives way to the next one.
func (r *flyRun) create(ctx context.Context, name string, green bool) (fly.Machine, error) {
	regions := append([]string{r.in.Region}, r.in.FallbackRegions...)
	for i, region := range regions {
		m, err := r.s.fly.CreateMachine(ctx, r.in.AppName, fly.MachineInput{
			Name: name, Region: region, MinSecretsVersion: r.secrets, SkipServiceRegistration: green,
			Config: overlay(nil, r.ours, r.metadata(groupApp)),
		})
		var e *httpapi.Error
		switch {
		case err == nil:
			sdk.Heartbeat(ctx, map[string]any{"deployment_id": r.res.DeploymentID, "previous_image": r.res.PreviousImage, "machine": m.ID})
			return m, nil
		case httpapi.Is(err, httpapi.Capacity) && i < len(regions)-1:
			r.res.Warnings = append(r.res.Warnings, fmt.Sprintf("region %s has no room; tried %s", firstOf(region, "(default)"), regions[i+1]))
		case errors.As(err, &e) && e.Code == fly.CodeMachineExists:
			return r.existing(ctx, name, e)
		default:
			return fly.Machine{}, err
		}
	}
	panic("unreachable: the last region returns")
}

// existing adopts the machine that holds a name, when it is ours and runs what is wanted.
func (r *flyRun) existing(ctx context.Context, name string, e *httpapi.Error) (fly.Machine, error) {
	id, ok := fly.ExistingMachine(e)
	if !ok {
		machines, err := r.s.fly.Machines(ctx, r.in.AppName)
		if err != nil {
			return fly.Machine{}, err
		}
		if i := slices.IndexFunc(machines, func(m fly.Machine) bool { return m.Name == name }); i >= 0 {
			id = machines[i].ID
		} else {
			return fly.Machine{}, e
		}
	}
	m, err := r.s.fly.Machine(ctx, r.in.AppName, id)
	if err != nil {
		return fly.Machine{}, err
	}
	if m.Meta(flyWant) != r.want {
		return fly.Machine{}, fmt.Errorf("machine %s (%s) exists with another configuration: %w", name, id, e)
	}
	return m, nil
}
