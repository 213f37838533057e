package deploy

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/orch-host/orch/plugins/deploy/internal/httpapi"
	"github.com/orch-host/orch/sdk"
)

// createRenderBlueprint writes render.yaml and has Render validate it and plan it. Render offers no call that creates a
// Blueprint: the result names the page where one click does it. The deployment itself does not need it.
func (d *deployer) createRenderBlueprint(ctx context.Context, in RenderInput) (Result, error) {
	s := d.settings()
	res := Result{Platform: "render", DryRun: in.DryRun, Plan: []string{}}
	err := d.ensureRenderBlueprint(ctx, s, in, &res)
	return res, fail(err)
}

func (d *deployer) ensureRenderBlueprint(ctx context.Context, s *settings, in RenderInput, res *Result) error {
	if err := in.check(); err != nil {
		return err
	}
	if err := s.renderReady(); err != nil {
		return err
	}
	res.AppName, res.Image = in.AppName, in.Image
	yaml, err := in.renderYAML()
	if err != nil {
		return err
	}
	if err := s.withoutSecrets("render.yaml", yaml, in); err != nil {
		return err
	}
	path := filepath.Join(s.outputDir(ctx, in.AppName), "render.yaml")
	if !in.DryRun {
		if res.Changed, err = writeFile(path, yaml, 0o644); err != nil {
			return err
		}
	}
	owner, err := s.renderOwner(ctx, in)
	if err != nil {
		return err
	}
	v, err := s.render.ValidateBlueprint(ctx, owner, yaml)
	if err != nil {
		return err
	}
	if !v.Valid {
		var all []string
		for _, e := range v.Errors {
			all = append(all, fmt.Sprintf("line %d:%d %s: %s", e.Line, e.Column, e.Path, e.Error))
		}
		return final(string(httpapi.Invalid), "render: render.yaml is refused: %s", s.redact.String(strings.Join(all, "; ")))
	}
	for _, g := range []struct {
		kind  string
		names []string
	}{{"service", v.Plan.Services}, {"database", v.Plan.Databases}, {"key value store", v.Plan.KeyValue}, {"environment group", v.Plan.EnvGroups}} {
		for _, n := range g.names {
			res.Plan = append(res.Plan, "Blueprint would make "+g.kind+" "+n)
		}
	}
	if in.RepoURL == "" {
		return nil
	}
	res.DashboardURL = "https://dashboard.render.com/blueprint/new?repo=" + url.QueryEscape(in.RepoURL)
	all, err := s.render.Blueprints(ctx, owner)
	if err != nil {
		// The list is for information only.
		sdk.Logger(ctx).Warn("the workspace's Blueprints could not be listed", "error", err)
		return nil
	}
	for _, b := range all {
		if strings.TrimSuffix(b.Repo, ".git") == strings.TrimSuffix(in.RepoURL, ".git") {
			res.DashboardURL = "https://dashboard.render.com/blueprint/" + b.ID
			res.Warnings = append(res.Warnings, fmt.Sprintf("Blueprint %s (%s) manages this repository: its syncs and this deployment change the same service", b.Name, b.Status))
		}
	}
	return nil
}
