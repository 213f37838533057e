package deploytest

import (
	"slices"
	"strings"
	"time"
)

func (f *Railway) now() time.Time {
	f.seq++
	return time.Date(2026, 1, 1, 0, 0, f.seq, 0, time.UTC)
}

func (f *Railway) deploy(s *railwayService) *railwayDeployment {
	f.Deployed++
	d := &railwayDeployment{id: f.id("deployment"), image: s.image, status: "INITIALIZING", at: f.now()}
	s.deployments = append(s.deployments, d)
	return d
}

// advance moves a deployment on with each look at it.
func (f *Railway) advance(s *railwayService, d *railwayDeployment) {
	if !slices.Contains([]string{"INITIALIZING", "QUEUED", "BUILDING", "DEPLOYING"}, d.status) {
		return
	}
	if d.reads++; d.reads <= f.LiveAfter {
		d.status = "DEPLOYING"
		return
	}
	d.status = "SUCCESS"
	if f.Fate != nil {
		if fate := f.Fate(d.image); fate != "" {
			d.status = fate
		}
	}
	if d.status == "SUCCESS" {
		for _, o := range s.deployments {
			if o != d && o.status == "SUCCESS" {
				o.status = "REMOVED"
			}
		}
	}
}

func (s *railwayService) wire(d *railwayDeployment) obj {
	return obj{"id": d.id, "status": d.status, "url": nil, "staticUrl": strings.ToLower(s.name) + ".up.railway.app",
		"canRollback": d.status == "SUCCESS" || d.status == "REMOVED", "createdAt": d.at.Format(time.RFC3339)}
}

// wire is a project with a page of at most 100 services, beginning after the one that is named.
func (p *railwayProject) wire(after any) obj {
	var services []any
	begin := 1 + slices.IndexFunc(p.services, func(s *railwayService) bool { return s.id == after })
	end := min(begin+100, len(p.services))
	for _, s := range p.services[begin:end] {
		services = append(services, obj{"id": s.id, "name": s.name, "deletedAt": nil})
	}
	list := edgesOf(services)
	list["pageInfo"] = obj{"hasNextPage": end < len(p.services), "endCursor": nil}
	if len(services) > 0 {
		list["pageInfo"].(obj)["endCursor"] = p.services[end-1].id
	}
	envs := []any{obj{"id": p.id + "-env", "name": p.env}}
	for _, name := range p.more {
		envs = append(envs, obj{"id": p.id + "-" + name, "name": name})
	}
	env := edgesOf(envs)
	env["pageInfo"] = obj{"hasNextPage": false, "endCursor": p.id + "-env"}
	return obj{"id": p.id, "name": p.name, "description": p.description, "deletedAt": nil, "environments": env, "services": list}
}

// RailwayService is a service as a test sees it.
type RailwayService struct {
	Project, ID, Name, Image string
	Vars                     map[string]string
	Settings                 map[string]any
	Deployments              []string // "id status image", oldest first
	Domains                  []string
}

// Services lists all services; a project without one shows as one without a name.
func (f *Railway) Services() []RailwayService {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []RailwayService
	for _, p := range f.projects {
		if len(p.services) == 0 {
			out = append(out, RailwayService{Project: p.name})
		}
		for _, s := range p.services {
			x := RailwayService{Project: p.name, ID: s.id, Name: s.name, Image: s.image, Vars: map[string]string{}, Settings: s.settings, Domains: s.domains}
			for k, v := range s.vars {
				x.Vars[k] = v
			}
			for _, d := range s.deployments {
				x.Deployments = append(x.Deployments, d.id+" "+d.status+" "+d.image)
			}
			out = append(out, x)
		}
	}
	return out
}

// AddProject makes a project exist.
func (f *Railway) AddProject(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.projects = append(f.projects, &railwayProject{id: f.id("project"), name: name, env: "production"})
}

// AddService makes a service exist in a project, and the project with the first one.
func (f *Railway) AddService(project, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.projects, func(p *railwayProject) bool { return p.name == project })
	if i < 0 {
		i = len(f.projects)
		f.projects = append(f.projects, &railwayProject{id: f.id("project"), name: project, env: "production"})
	}
	f.projects[i].services = append(f.projects[i].services, &railwayService{id: f.id("service"), name: name, vars: map[string]string{}})
}

// Scope makes a token that is bound to one further environment of a project.
func (f *Railway) Scope(project, token, environment string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.projects {
		if p.name == project {
			p.more = append(p.more, environment)
			f.scope = map[string]string{"token": token, "project": p.id, "environment": p.id + "-" + environment}
		}
	}
}

// within reports whether an operation stays in the environment of the project token.
func (f *Railway) within(vars obj) bool {
	in, _ := vars["input"].(obj)
	for _, o := range []obj{vars, in} {
		if env := o["environmentId"]; env != nil && env != f.scope["environment"] {
			return false
		}
	}
	return true
}

// DeployByHand starts a deployment of an image as somebody at the dashboard does.
func (f *Railway) DeployByHand(image string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.projects[0].services[0]
	s.image = image
	f.deploy(s).status = "SUCCESS"
}
