package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/orch-host/orch/plugins/deploy/internal/httpapi"
	"github.com/orch-host/orch/plugins/deploy/internal/render"
	"github.com/orch-host/orch/sdk"
)

// start starts a deploy. When it is queued without an id (202), or the answer is lost, the newest deploy tells.
func (r *renderRun) start(ctx context.Context, before string, call func() (string, error)) (string, error) {
	id, err := call()
	switch {
	case err == nil && id == "":
		id, err = r.newest(ctx, before)
	case httpapi.Is(err, httpapi.Network, httpapi.Server, httpapi.Conflict) && !cancelled(ctx):
		if now, rerr := r.latest(ctx); rerr == nil && now.ID != before {
			id, err = now.ID, nil
		}
	}
	if err != nil {
		return "", err
	}
	sdk.Heartbeat(ctx, renderState{ServiceID: r.service.ID, DeploymentID: id})
	r.res.Changed = true
	return id, nil
}

func (r *renderRun) latest(ctx context.Context) (render.Deploy, error) {
	all, err := r.s.render.Deploys(ctx, r.service.ID, 1)
	if err != nil || len(all) == 0 {
		return render.Deploy{}, err
	}
	return all[0], nil
}

// newest waits for a deploy newer than before to be listed.
func (r *renderRun) newest(ctx context.Context, before string) (id string, err error) {
	p := r.d.pacing()
	err = poll(ctx, "the queued deploy of "+r.in.AppName, p.settle, p.first, p.max, func(ctx context.Context) (bool, error) {
		now, err := r.latest(ctx)
		id = now.ID
		return err == nil && id != "" && id != before, err
	})
	return id, err
}

// finish waits for the verdict, finds the deploy before, and notes that this one went live.
func (r *renderRun) finish(ctx context.Context) error {
	if err := r.await(ctx); err != nil {
		return err
	}
	all, err := r.s.render.Deploys(ctx, r.service.ID, 20)
	if err != nil {
		r.res.Warnings = append(r.res.Warnings, "the previous deploy could not be looked up: "+err.Error())
	}
	i := slices.IndexFunc(all, func(x render.Deploy) bool { return x.ID == r.res.DeploymentID })
	for _, x := range all[i+1:] {
		if x.ID != r.res.DeploymentID && (x.Status == "live" || x.Status == "deactivated") {
			r.res.PreviousDeploymentID = x.ID
			break
		}
	}
	return r.note(ctx)
}

func (r *renderRun) note(ctx context.Context) error {
	if r.seen.ID == r.res.DeploymentID {
		return nil
	}
	r.seen.ID = r.res.DeploymentID
	return r.s.render.SetEnvVar(ctx, r.service.ID, markerVariable, r.seen.String())
}

func (r *renderRun) await(ctx context.Context) error {
	id := r.res.DeploymentID
	err := poll(ctx, "render deploy "+id, time.Duration(r.in.Timeout), r.d.pacing().first, r.d.pacing().max, func(ctx context.Context) (bool, error) {
		sdk.Heartbeat(ctx, renderState{ServiceID: r.service.ID, DeploymentID: id})
		dep, err := r.s.render.Deploy(ctx, r.service.ID, id)
		if err != nil {
			return false, err
		}
		sdk.Progress(ctx, fmt.Sprintf("deploy %s is %s", id, dep.Status), 0, 0)
		switch renderVerdict(dep.Status) {
		case live:
			return true, nil
		case failed:
			lines, lerr := r.s.render.Logs(ctx, r.owner, r.service.ID, 100)
			if lerr != nil {
				lines = []string{"the logs could not be read: " + lerr.Error()}
			}
			return false, r.s.deployFailed("render", id, string(dep.Status), lines,
				"render: deploy %s of %s ended as %s", id, r.source(), dep.Status)
		case superseded:
			return false, final(typeSuperseded, "render: deploy %s is %s: another deploy of service %s replaced it", id, dep.Status, r.in.AppName)
		}
		return false, nil
	})
	if aborted(ctx) && r.in.CancelOnAbort && err != nil {
		clean, done := sdk.Cleanup(ctx)
		defer done()
		err = errors.Join(err, r.s.render.Cancel(clean, r.service.ID, id))
	}
	return err
}

// credential is the id of the registry credential that a private image is pulled with.
func (r *renderRun) credential(ctx context.Context) (string, error) {
	if r.in.RegistryCredential == "" || r.in.Image == "" {
		return "", nil
	}
	id, err := r.s.render.RegistryCredential(ctx, r.owner, r.in.RegistryCredential)
	if err == nil && id == "" {
		err = final(string(httpapi.NotFound), "render: the workspace has no registry credential named %s; add it in the dashboard", r.in.RegistryCredential)
	}
	return id, err
}

func renderVerdict(s render.Status) verdict {
	switch s.Verdict() {
	case render.Live:
		return live
	case render.Failed:
		return failed
	case render.Superseded:
		return superseded
	}
	return waiting
}
