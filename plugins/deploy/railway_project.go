package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/orch-host/orch/plugins/deploy/internal/httpapi"
	"github.com/orch-host/orch/plugins/deploy/internal/railway"
	"github.com/orch-host/orch/sdk"
)

// RailwaySettings are the inputs that only Railway takes.
type RailwaySettings struct {
	WorkspaceID     string `json:"workspace_id,omitempty" jsonschema:"workspace for a new project; default: the configured or only one"`
	ProjectName     string `json:"project_name,omitempty" jsonschema:"default: app_name"`
	ProjectID       string `json:"project_id,omitempty" jsonschema:"an existing project"`
	Environment     string `json:"environment,omitempty" jsonschema:"default production, or the one that the project token is for"`
	OverlapSeconds  int    `json:"overlap_seconds,omitempty" jsonschema:"how long old and new run side by side; default 20"`
	DrainingSeconds int    `json:"draining_seconds,omitempty" jsonschema:"how long the old one may finish requests; default 10"`
	AllowReferences bool   `json:"allow_references,omitempty" jsonschema:"let values hold Railway references (two braces after a dollar); default: refused"`
}

// RailwayInput is the input of the Railway activities.
type RailwayInput struct {
	App
	RailwaySettings
	PreviousDeploymentID string `json:"previous_deployment_id,omitempty" jsonschema:"rollback: the deployment to bring back"`
	PreviousImage        string `json:"previous_image,omitempty" jsonschema:"rollback: the image that ran before; only a deployment can be rolled back to"`
}

func (in *RailwayInput) check() error {
	if err := in.App.check(); err != nil {
		return err
	}
	in.ProjectName = firstOf(in.ProjectName, in.AppName)
	if in.OverlapSeconds == 0 {
		in.OverlapSeconds = 20
	}
	if in.DrainingSeconds == 0 {
		in.DrainingSeconds = 10
	}
	return nil
}

// railwayState is carried from attempt to attempt.
type railwayState struct {
	ProjectID    string `json:"project_id,omitempty"`
	ServiceID    string `json:"service_id,omitempty"`
	DeploymentID string `json:"deployment_id,omitempty"`
}

// createRailwayProject makes one project with one service exist. Railway lets names repeat, so it looks first, and an
// answer that was heard is remembered at once.
func (d *deployer) createRailwayProject(ctx context.Context, in RailwayInput) (Result, error) {
	s := d.settings()
	res := Result{Platform: "railway", DryRun: in.DryRun, Plan: []string{}}
	err := d.ensureRailway(ctx, s, in, &res)
	return res, fail(err)
}

func (d *deployer) ensureRailway(ctx context.Context, s *settings, in RailwayInput, res *Result) error {
	if err := in.check(); err != nil {
		return err
	}
	leave, err := d.guard.enter(ctx, "railway", in.AppName)
	if err != nil {
		return err
	}
	defer leave()
	// Looking and creating is one step: Railway would take a second project of the name from an app beside this one.
	done, err := d.guard.turn(ctx, "railway project/"+firstOf(in.ProjectID, in.ProjectName))
	if err != nil {
		return err
	}
	defer done()
	if err := s.railwayReady(); err != nil {
		return err
	}
	res.AppName = in.AppName
	project, found, err := s.findRailwayProject(ctx, in)
	if err != nil {
		return err
	}
	run := runKey(sdk.GetInfo(ctx).IdempotencyKey)
	res.Changed = found && run != "" && strings.HasSuffix(project.Description, run) // an earlier attempt made it
	if !found {
		if s.railway.Scoped() {
			return final(string(httpapi.Permission), "railway: a project token cannot create projects; use an account or workspace token")
		}
		if in.DryRun {
			res.Plan = append(res.Plan, "create project "+in.ProjectName, "create service "+in.AppName)
			return nil
		}
		workspace, err := s.railwayWorkspace(ctx, in)
		if err != nil {
			return err
		}
		project, err = s.railway.CreateProject(ctx, workspace, in.ProjectName, firstOf(in.Environment, defaultEnvironment), strings.TrimSpace("managed by orch "+run))
		if err != nil {
			return err
		}
		sdk.Heartbeat(ctx, railwayState{ProjectID: project.ID})
		res.Changed = true
		res.Plan = append(res.Plan, "created project "+in.ProjectName)
	}
	res.ProjectID = project.ID
	env, err := s.railwayEnvironment(ctx, project, in.Environment)
	if err != nil {
		return err
	}
	res.EnvironmentID = env
	service, err := one(project.Services, in.AppName, "service", "project "+project.Name)
	if err != nil {
		return err
	}
	if service.ID == "" {
		if in.DryRun {
			res.Plan = append(res.Plan, "create service "+in.AppName)
			return nil
		}
		if service, err = s.railway.CreateService(ctx, project.ID, env, in.AppName); err != nil {
			return err
		}
		res.Changed = true
		res.Plan = append(res.Plan, "created service "+in.AppName)
	}
	res.ServiceID = service.ID
	sdk.Heartbeat(ctx, railwayState{ProjectID: project.ID, ServiceID: service.ID})
	return nil
}

func (s *settings) railwayReady() error {
	if s.Railway.Token == "" && s.Railway.ProjectToken == "" {
		return notConfigured("railway.token")
	}
	return nil
}

// findRailwayProject finds the project by id, by the token's scope, by what an earlier attempt heard, or by name.
func (s *settings) findRailwayProject(ctx context.Context, in RailwayInput) (railway.Project, bool, error) {
	id := in.ProjectID
	if id == "" && s.railway.Scoped() {
		scope, _, err := s.railway.Scope(ctx)
		if err != nil {
			return railway.Project{}, false, err
		}
		id = scope
	}
	if id == "" {
		if last, ok := sdk.LastHeartbeat[railwayState](ctx); ok {
			id = last.ProjectID
		}
	}
	if id == "" {
		workspace, err := s.railwayWorkspace(ctx, in)
		if err != nil {
			return railway.Project{}, false, err
		}
		found, err := s.railway.ProjectsNamed(ctx, workspace, in.ProjectName)
		if err != nil {
			return railway.Project{}, false, err
		}
		project, err := one(found, in.ProjectName, "project", "the workspace")
		if err != nil {
			return railway.Project{}, false, err
		}
		if id = project.ID; id == "" {
			return railway.Project{}, false, nil
		}
	}
	p, err := s.railway.Project(ctx, id)
	if err == nil && p.Deleted {
		err = final(string(httpapi.NotFound), "railway: project %s (%s) is deleted", p.Name, id)
	}
	return p, err == nil, err
}

func (s *settings) railwayWorkspace(ctx context.Context, in RailwayInput) (string, error) {
	if id := firstOf(in.WorkspaceID, s.Railway.WorkspaceID); id != "" {
		return id, nil
	}
	all, err := s.railway.Workspaces(ctx)
	if err != nil {
		return "", err
	}
	if len(all) != 1 {
		return "", final(typeAmbiguous, "railway: the token reaches %d workspaces%s; set workspace_id", len(all), listed(all))
	}
	return all[0].ID, nil
}

func listed(refs []railway.Ref) string {
	var b strings.Builder
	for _, r := range refs {
		fmt.Fprintf(&b, ", %s (%s)", r.Name, r.ID)
	}
	return b.String()
}

// one finds the object of a name; an empty one when there is none.
func one(refs []railway.Ref, name, kind, where string) (railway.Ref, error) {
	var found []railway.Ref
	for _, r := range refs {
		if r.Name == name {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 0:
		return railway.Ref{}, nil
	case 1:
		return found[0], nil
	}
	return railway.Ref{}, final(typeAmbiguous, "railway: %s holds %d %ss named %s%s; remove all but one, or give its id", where, len(found), kind, name, listed(found))
}

// defaultEnvironment is Railway's own name for the first environment of a project.
const defaultEnvironment = "production"

// railwayEnvironment is the id of the environment of a name; without one, of the project token's, or of the default one.
func (s *settings) railwayEnvironment(ctx context.Context, p railway.Project, name string) (string, error) {
	if s.railway.Scoped() {
		_, id, err := s.railway.Scope(ctx)
		if err != nil {
			return "", err
		}
		i := slices.IndexFunc(p.Environments, func(r railway.Ref) bool { return r.ID == id })
		if name == "" || i < 0 {
			return id, nil
		}
		if p.Environments[i].Name != name {
			return "", invalid("railway: the project token is for environment %s of project %s, not for %s; leave environment out, or use another token", p.Environments[i].Name, p.Name, name)
		}
		return id, nil
	}
	wanted := firstOf(name, defaultEnvironment)
	i := slices.IndexFunc(p.Environments, func(r railway.Ref) bool { return r.Name == wanted })
	if i < 0 {
		return "", invalid("railway: project %s has no environment %s%s", p.Name, wanted, listed(p.Environments))
	}
	return p.Environments[i].ID, nil
}

// railwayTarget finds the project, environment and service that create_railway_project_activity made.
func (s *settings) railwayTarget(ctx context.Context, in RailwayInput, res *Result) (railway.Target, bool, error) {
	if err := s.railwayReady(); err != nil {
		return railway.Target{}, false, err
	}
	p, found, err := s.findRailwayProject(ctx, in)
	if err != nil {
		return railway.Target{}, false, err
	}
	var service railway.Ref
	if found {
		if service, err = one(p.Services, in.AppName, "service", "project "+p.Name); err != nil {
			return railway.Target{}, false, err
		}
	}
	if service.ID == "" {
		if in.DryRun {
			return railway.Target{}, false, nil
		}
		return railway.Target{}, false, final(string(httpapi.NotFound), "railway: there is no project %s with a service %s; run create_railway_project_activity first", in.ProjectName, in.AppName)
	}
	env, err := s.railwayEnvironment(ctx, p, in.Environment)
	res.ProjectID, res.EnvironmentID, res.ServiceID = p.ID, env, service.ID
	return railway.Target{ProjectID: p.ID, EnvironmentID: env, ServiceID: service.ID}, err == nil, err
}
