package railway

import "context"

// Workspaces lists the workspaces that the token may use.
func (c *Client) Workspaces(ctx context.Context) ([]Ref, error) {
	var r struct {
		APIToken struct {
			Workspaces []Ref `json:"workspaces"`
		} `json:"apiToken"`
	}
	err := c.do(ctx, "list workspaces", queryWorkspaces, nil, &r)
	return r.APIToken.Workspaces, err
}

// Scope returns the project and environment that a project token is bound to.
func (c *Client) Scope(ctx context.Context) (projectID, environmentID string, err error) {
	var r struct {
		ProjectToken struct {
			ProjectID     string `json:"projectId"`
			EnvironmentID string `json:"environmentId"`
		} `json:"projectToken"`
	}
	err = c.do(ctx, "read the scope of the project token", queryScope, nil, &r)
	return r.ProjectToken.ProjectID, r.ProjectToken.EnvironmentID, err
}

// ProjectsNamed returns every living project of that exact name in a workspace. Names are not unique.
func (c *Client) ProjectsNamed(ctx context.Context, workspaceID, name string) ([]Ref, error) {
	var found []Ref
	var at cursor
	for {
		var r struct {
			Projects struct {
				Edges []struct {
					Node struct {
						Ref
						DeletedAt *string `json:"deletedAt"`
					} `json:"node"`
				} `json:"edges"`
				PageInfo pageInfo `json:"pageInfo"`
			} `json:"projects"`
		}
		vars := map[string]any{"after": at.after, "workspaceId": orNil(workspaceID)}
		if err := c.do(ctx, "look for project "+name, queryProjects, vars, &r); err != nil {
			return nil, err
		}
		for _, e := range r.Projects.Edges {
			if e.Node.Name == name && e.Node.DeletedAt == nil {
				found = append(found, e.Node.Ref)
			}
		}
		if at.move(r.Projects.PageInfo); at.ended {
			return found, nil
		}
	}
}

// Project returns a project with all of its environments and living services.
func (c *Client) Project(ctx context.Context, id string) (Project, error) {
	var out Project
	var environments, services cursor
	for {
		var r struct {
			Project wireProject `json:"project"`
		}
		vars := map[string]any{"id": id, "environments": environments.after, "services": services.after}
		if err := c.do(ctx, "read project "+id, queryProject, vars, &r); err != nil {
			return Project{}, err
		}
		page := r.Project.plain()
		out.Ref, out.Deleted = page.Ref, page.Deleted
		if !environments.ended {
			out.Environments = append(out.Environments, page.Environments...)
		}
		if !services.ended {
			out.Services = append(out.Services, page.Services...)
		}
		environments.move(r.Project.Environments.PageInfo)
		services.move(r.Project.Services.PageInfo)
		if environments.ended && services.ended {
			return out, nil
		}
	}
}

// CreateProject creates a project with one environment. It is not idempotent: look first.
func (c *Client) CreateProject(ctx context.Context, workspaceID, name, environment, description string) (Project, error) {
	var r struct {
		Project wireProject `json:"projectCreate"`
	}
	in := map[string]any{"name": name, "defaultEnvironmentName": environment, "description": description}
	if workspaceID != "" {
		in["workspaceId"] = workspaceID
	}
	err := c.do(ctx, "create project "+name, mutationProjectCreate, map[string]any{"input": in}, &r)
	return r.Project.plain(), err
}

// CreateService creates an empty service: without a source nothing is deployed yet.
func (c *Client) CreateService(ctx context.Context, projectID, environmentID, name string) (Ref, error) {
	var r struct {
		Service Ref `json:"serviceCreate"`
	}
	in := map[string]any{"projectId": projectID, "environmentId": environmentID, "name": name}
	err := c.do(ctx, "create service "+name, mutationServiceCreate, map[string]any{"input": in}, &r)
	return r.Service, err
}

// Variables returns the variables of a service with their values, unrendered. They are for comparing in memory only.
func (c *Client) Variables(ctx context.Context, t Target) (map[string]string, error) {
	var r struct {
		Variables map[string]string `json:"variables"`
	}
	err := c.do(ctx, "read the variables of service "+t.ServiceID, queryVariables,
		map[string]any{"projectId": t.ProjectID, "environmentId": t.EnvironmentID, "serviceId": t.ServiceID}, &r)
	return r.Variables, err
}

// SetVariables adds and replaces variables without starting a deployment, and removes none.
func (c *Client) SetVariables(ctx context.Context, t Target, values map[string]string) error {
	in := map[string]any{"projectId": t.ProjectID, "environmentId": t.EnvironmentID, "serviceId": t.ServiceID,
		"variables": values, "skipDeploys": true, "replace": false}
	return c.confirm(ctx, "set variables of service "+t.ServiceID, mutationVariables, map[string]any{"input": in})
}

// Instance returns what a service runs in an environment.
func (c *Client) Instance(ctx context.Context, t Target) (Instance, error) {
	var r struct {
		Instance Instance `json:"serviceInstance"`
	}
	err := c.do(ctx, "read service "+t.ServiceID, queryServiceInstance, t.service(), &r)
	return r.Instance, err
}

// UpdateInstance sets source and settings of a service.
func (c *Client) UpdateInstance(ctx context.Context, t Target, in map[string]any) error {
	vars := t.service()
	vars["input"] = in
	return c.confirm(ctx, "update service "+t.ServiceID, mutationServiceInstance, vars)
}

// Deploy starts a deployment and returns its id. It is not idempotent.
func (c *Client) Deploy(ctx context.Context, t Target) (string, error) {
	var r struct {
		ID string `json:"serviceInstanceDeployV2"`
	}
	err := c.do(ctx, "deploy service "+t.ServiceID, mutationDeploy, t.service(), &r)
	return r.ID, err
}

// Deployment returns one deployment.
func (c *Client) Deployment(ctx context.Context, id string) (Deployment, error) {
	var r struct {
		Deployment Deployment `json:"deployment"`
	}
	err := c.do(ctx, "read deployment "+id, queryDeployment, map[string]any{"id": id}, &r)
	return r.Deployment, err
}

// Deployments lists the newest 20 deployments of a service, newest first.
func (c *Client) Deployments(ctx context.Context, t Target) ([]Deployment, error) {
	var r struct {
		Deployments struct {
			Edges []struct {
				Node Deployment `json:"node"`
			} `json:"edges"`
		} `json:"deployments"`
	}
	in := map[string]any{"projectId": t.ProjectID, "environmentId": t.EnvironmentID, "serviceId": t.ServiceID}
	err := c.do(ctx, "list deployments of service "+t.ServiceID, queryDeployments, map[string]any{"input": in}, &r)
	out := make([]Deployment, 0, len(r.Deployments.Edges))
	for _, e := range r.Deployments.Edges {
		out = append(out, e.Node)
	}
	sortNewestFirst(out)
	return out, err
}

// Rollback starts a rollback to an earlier deployment.
func (c *Client) Rollback(ctx context.Context, id string) error {
	return c.confirm(ctx, "roll back to deployment "+id, mutationRollback, map[string]any{"id": id})
}

// Cancel stops a deployment in flight.
func (c *Client) Cancel(ctx context.Context, id string) error {
	return c.confirm(ctx, "cancel deployment "+id, mutationCancel, map[string]any{"id": id})
}

// Logs returns the newest lines of the build and of the run, build first. What cannot be read is left out.
func (c *Client) Logs(ctx context.Context, deployment string, limit int) []string {
	type line struct {
		Message string `json:"message"`
	}
	var build struct {
		Lines []line `json:"buildLogs"`
	}
	var run struct {
		Lines []line `json:"deploymentLogs"`
	}
	vars := map[string]any{"deploymentId": deployment, "limit": limit}
	_ = c.do(ctx, "read build logs of "+deployment, queryBuildLogs, vars, &build)
	_ = c.do(ctx, "read logs of "+deployment, queryDeploymentLogs, vars, &run)
	var out []string
	for _, l := range append(build.Lines, run.Lines...) {
		out = append(out, l.Message)
	}
	return out
}

// Domains lists the domains of a service: custom ones first.
func (c *Client) Domains(ctx context.Context, t Target) ([]string, error) {
	type domain struct {
		Domain string `json:"domain"`
	}
	var r struct {
		Domains struct {
			Service []domain `json:"serviceDomains"`
			Custom  []domain `json:"customDomains"`
		} `json:"domains"`
	}
	err := c.do(ctx, "list domains of service "+t.ServiceID, queryDomains,
		map[string]any{"projectId": t.ProjectID, "environmentId": t.EnvironmentID, "serviceId": t.ServiceID}, &r)
	var out []string
	for _, d := range append(r.Domains.Custom, r.Domains.Service...) {
		out = append(out, d.Domain)
	}
	return out, err
}

// CreateDomain gives a service a generated domain. It is not idempotent: look first.
func (c *Client) CreateDomain(ctx context.Context, t Target, port int) (string, error) {
	var r struct {
		Domain struct {
			Domain string `json:"domain"`
		} `json:"serviceDomainCreate"`
	}
	in := map[string]any{"serviceId": t.ServiceID, "environmentId": t.EnvironmentID}
	if port != 0 {
		in["targetPort"] = port
	}
	err := c.do(ctx, "create a domain for service "+t.ServiceID, mutationDomainCreate, map[string]any{"input": in}, &r)
	return r.Domain.Domain, err
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}
