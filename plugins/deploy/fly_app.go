package deploy

import (
	"context"
	"fmt"

	"github.com/orch-host/orch/plugins/deploy/internal/fly"
	"github.com/orch-host/orch/plugins/deploy/internal/httpapi"
	"github.com/orch-host/orch/sdk"
)

func flyURL(app string) string { return "https://" + app + ".fly.dev" }

// createFlyApp makes the app exist in our organisation, with a public IPv6 and a shared IPv4 address.
func (d *deployer) createFlyApp(ctx context.Context, in FlyInput) (Result, error) {
	s := d.settings()
	res, err := d.ensureFlyApp(ctx, s, in)
	return res, fail(err)
}

func (d *deployer) ensureFlyApp(ctx context.Context, s *settings, in FlyInput) (Result, error) {
	if err := in.check(); err != nil {
		return Result{}, err
	}
	leave, err := d.guard.enter(ctx, "flyio", in.AppName)
	if err != nil {
		return Result{}, err
	}
	defer leave()
	if s.Fly.Token == "" {
		return Result{}, notConfigured("fly.token")
	}
	org := firstOf(in.Org, s.Fly.Org)
	res := Result{Platform: "flyio", AppName: in.AppName, DeploymentURL: flyURL(in.AppName), DryRun: in.DryRun}
	app, err := s.fly.App(ctx, in.AppName)
	switch {
	case err == nil:
		if err := ours(app, org); err != nil {
			return res, err
		}
	case httpapi.Is(err, httpapi.Permission):
		return res, nameTaken(in.AppName, err)
	// A fresh app answers 401 for a while: to an attempt that follows one that may have made it, the creation's answer
	// tells whether the token is bad.
	case httpapi.Is(err, httpapi.NotFound), httpapi.Is(err, httpapi.Auth) && sdk.GetInfo(ctx).Attempt > 1 && !in.DryRun:
		if in.DryRun {
			res.Plan = append(res.Plan, fmt.Sprintf("create app %s in organisation %s", in.AppName, firstOf(org, "personal")),
				"assign a v6 address", "assign a shared v4 address")
			return res, nil
		}
		if err := d.makeFlyApp(ctx, s, in.AppName, firstOf(org, "personal")); err != nil {
			return res, err
		}
		res.Changed = true
		res.Plan = append(res.Plan, "created app "+in.AppName)
	default:
		return res, err
	}
	sdk.Heartbeat(ctx, map[string]any{"app_name": in.AppName, "created": res.Changed})
	return res, d.ensureFlyIPs(ctx, s, in, &res)
}

func ours(app fly.App, org string) error {
	if org != "" && app.Organization.Slug != "" && app.Organization.Slug != org {
		return final(string(httpapi.NameTaken), "fly: app %s belongs to organisation %s, not to %s; app names are global: choose another app_name, or set org",
			app.Name, app.Organization.Slug, org)
	}
	return nil
}

func nameTaken(app string, err error) error {
	return final(string(httpapi.NameTaken), "fly: the app name %s is taken by another organisation; names are global across Fly.io: choose another app_name: %w", app, err)
}

// makeFlyApp creates the app and waits until it can be read. "Taken" may mean that an earlier attempt of ours took it.
func (d *deployer) makeFlyApp(ctx context.Context, s *settings, name, org string) error {
	created := s.fly.CreateApp(ctx, name, org)
	if created != nil && !httpapi.Is(created, httpapi.NameTaken) {
		return created
	}
	var app fly.App
	err := poll(ctx, "the creation of app "+name, d.pacing().settle, d.pacing().first, d.pacing().max, func(ctx context.Context) (bool, error) {
		var err error
		app, err = s.fly.App(ctx, name)
		switch {
		// A fresh app answers 404, and 401, until all of Fly knows it.
		case httpapi.Is(err, httpapi.NotFound, httpapi.Auth):
			return false, nil
		case created != nil && httpapi.Is(err, httpapi.Permission):
			return false, nameTaken(name, err)
		}
		return err == nil, err
	})
	if err != nil {
		return err
	}
	return ours(app, org)
}

func (d *deployer) ensureFlyIPs(ctx context.Context, s *settings, in FlyInput, res *Result) error {
	ips, err := s.fly.IPs(ctx, in.AppName)
	if err != nil {
		return err
	}
	var v4, v6 bool
	for _, ip := range ips {
		if !ip.Private() {
			v6 = v6 || ip.V6()
			v4 = v4 || !ip.V6()
		}
	}
	for _, want := range []struct {
		have       bool
		kind, name string
	}{{v6, "v6", "v6"}, {v4, "shared_v4", "shared v4"}} {
		if want.have {
			continue
		}
		if in.DryRun {
			res.Plan = append(res.Plan, "assign a "+want.name+" address")
			continue
		}
		if err := s.fly.AssignIP(ctx, in.AppName, want.kind); err != nil {
			return err
		}
		res.Changed = true
		res.Plan = append(res.Plan, "assigned a "+want.name+" address")
	}
	return nil
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
