package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/orch-host/orch/plugins/deploy/internal/httpapi"
	"github.com/orch-host/orch/plugins/deploy/internal/railway"
	"github.com/orch-host/orch/sdk"
)

// start starts a deployment. When the answer is lost, the newest deployment tells whether it was started.
func (r *railwayRun) start(ctx context.Context, before string, call func() (string, error)) (string, error) {
	id, err := call()
	if httpapi.Is(err, httpapi.Network, httpapi.Server) && !cancelled(ctx) {
		if now, rerr := r.s.railway.Instance(ctx, r.t); rerr == nil && now.LatestID() != before {
			id, err = now.LatestID(), nil
		}
	}
	if err != nil {
		return "", err
	}
	sdk.Heartbeat(ctx, railwayState{ProjectID: r.t.ProjectID, ServiceID: r.t.ServiceID, DeploymentID: id})
	r.res.Changed = true
	return id, nil
}

// finish waits for the verdict, finds the deployment before, and notes that this one went live.
func (r *railwayRun) finish(ctx context.Context) error {
	if err := r.await(ctx); err != nil {
		return err
	}
	r.previous(ctx)
	if r.seen.ID != r.res.DeploymentID {
		r.seen.ID = r.res.DeploymentID
		if err := r.s.railway.SetVariables(ctx, r.t, map[string]string{markerVariable: r.seen.String()}); err != nil {
			return err
		}
	}
	return nil
}

func (r *railwayRun) await(ctx context.Context) error {
	id := r.res.DeploymentID
	logged := map[railway.Status]bool{}
	p := r.d.pacing()
	err := poll(ctx, "railway deployment "+id, time.Duration(r.in.Timeout), p.railway, p.railway, func(ctx context.Context) (bool, error) {
		sdk.Heartbeat(ctx, railwayState{ProjectID: r.t.ProjectID, ServiceID: r.t.ServiceID, DeploymentID: id})
		dep, err := r.s.railway.Deployment(ctx, id)
		if err != nil {
			return false, err
		}
		sdk.Progress(ctx, fmt.Sprintf("deployment %s is %s", id, dep.Status), 0, 0)
		switch dep.Status.Verdict() {
		case railway.Live:
			if r.res.DeploymentURL == "" {
				r.res.DeploymentURL = withScheme(firstOf(dep.StaticURL, dep.URL))
			}
			return true, nil
		case railway.Failed:
			return false, r.s.deployFailed("railway", id, string(dep.Status), r.s.railway.Logs(ctx, id, 100),
				"railway: deployment %s of %s ended as %s", id, r.res.Image, dep.Status)
		case railway.Superseded:
			return false, final(typeSuperseded, "railway: deployment %s is %s: another deployment of service %s replaced it", id, dep.Status, r.in.AppName)
		case railway.NeedsApproval:
			return false, final(typeDeployFailed, "railway: deployment %s waits for an approval; approve it in the dashboard and deploy again", id)
		}
		if !logged[dep.Status] {
			logged[dep.Status] = true
			sdk.Logger(ctx).Info("waiting for the deployment", "deployment", id, "status", dep.Status)
		}
		return false, nil
	})
	if aborted(ctx) && r.in.CancelOnAbort && err != nil {
		clean, done := sdk.Cleanup(ctx)
		defer done()
		err = errors.Join(err, r.s.railway.Cancel(clean, id))
	}
	return err
}

// previous finds the deployment to come back to. Not finding one is no reason to fail a deployment that is live.
func (r *railwayRun) previous(ctx context.Context) {
	all, err := r.s.railway.Deployments(ctx, r.t)
	if err != nil {
		r.res.Warnings = append(r.res.Warnings, "the previous deployment could not be looked up: "+err.Error())
		return
	}
	i := slices.IndexFunc(all, func(x railway.Deployment) bool { return x.ID == r.res.DeploymentID })
	for _, x := range all[i+1:] {
		if x.CanRollback && x.ID != r.res.DeploymentID && slices.Contains([]railway.Status{"SUCCESS", "SLEEPING", "REMOVED", "REMOVING"}, x.Status) {
			r.res.PreviousDeploymentID = x.ID
			return
		}
	}
}

// ensureRailwayDomain makes the service reachable and tells its address.
func (d *deployer) ensureRailwayDomain(ctx context.Context, s *settings, in RailwayInput, t railway.Target, res *Result) error {
	domains, err := s.railway.Domains(ctx, t)
	if err != nil {
		return err
	}
	if len(domains) == 0 {
		if in.DryRun {
			res.Plan = append(res.Plan, "create a domain")
			return nil
		}
		domain, err := s.railway.CreateDomain(ctx, t, in.Port)
		if err != nil {
			return err
		}
		domains = []string{domain}
		res.Changed = true
		res.Plan = append(res.Plan, "created domain "+domain)
	}
	res.DeploymentURL = withScheme(domains[0])
	return nil
}

func withScheme(host string) string {
	if host == "" || strings.Contains(host, "://") {
		return host
	}
	return "https://" + host
}

func railwayVerdict(i railway.Instance) verdict {
	if i.Latest == nil {
		return waiting
	}
	switch i.Latest.Status.Verdict() {
	case railway.Live:
		return live
	case railway.Failed, railway.NeedsApproval:
		return failed
	case railway.Superseded:
		return superseded
	}
	return waiting
}
