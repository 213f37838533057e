package deploy

import (
	"context"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/orch-host/orch/plugins/deploy/internal/render"
)

// RenderSettings are the inputs that only Render takes.
type RenderSettings struct {
	OwnerID            string `json:"owner_id,omitempty" jsonschema:"workspace; default: the configured or only one"`
	InstancePlan       string `json:"instance_plan,omitempty" jsonschema:"Render's plan, e.g. starter; default: Render's"`
	RegistryCredential string `json:"registry_credential,omitempty" jsonschema:"name of a registry credential at Render for a private image"`
	ShutdownSeconds    int    `json:"shutdown_seconds,omitempty" jsonschema:"how long the old instance may finish requests, 1 to 300"`
	RepoURL            string `json:"repo_url,omitempty" jsonschema:"source repository; default: github_repo"`
	Branch             string `json:"branch,omitempty" jsonschema:"default main"`
	CommitSHA          string `json:"commit_sha,omitempty" jsonschema:"commit to deploy when there is no image; default: the branch's newest"`
}

// RenderInput is the input of the Render activities.
type RenderInput struct {
	App
	RenderSettings
	GitHubRepo           string `json:"github_repo,omitempty" jsonschema:"owner/name"`
	PreviousDeploymentID string `json:"previous_deployment_id,omitempty" jsonschema:"rollback: the deploy to bring back"`
	PreviousImage        string `json:"previous_image,omitempty" jsonschema:"rollback: the image that ran before; only a deployment can be rolled back to"`
}

func (in *RenderInput) check() error {
	if err := in.App.check(); err != nil {
		return err
	}
	if in.ShutdownSeconds < 0 || in.ShutdownSeconds > 300 {
		return invalid("shutdown_seconds %d: use 1 to 300", in.ShutdownSeconds)
	}
	in.Branch = firstOf(in.Branch, "main")
	if in.RepoURL == "" && in.GitHubRepo != "" {
		in.RepoURL = "https://github.com/" + in.GitHubRepo
	}
	return nil
}

type blueprintFile struct {
	Services []blueprintService `yaml:"services"`
}

type blueprintService struct {
	Type              string          `yaml:"type"`
	Name              string          `yaml:"name"`
	Runtime           string          `yaml:"runtime"`
	Image             *blueprintImage `yaml:"image,omitempty"`
	Repo              string          `yaml:"repo,omitempty"`
	Branch            string          `yaml:"branch,omitempty"`
	Plan              string          `yaml:"plan,omitempty"`
	Region            string          `yaml:"region,omitempty"`
	NumInstances      int             `yaml:"numInstances,omitempty"`
	HealthCheckPath   string          `yaml:"healthCheckPath"`
	AutoDeployTrigger string          `yaml:"autoDeployTrigger"`
	PreDeployCommand  string          `yaml:"preDeployCommand,omitempty"`
	EnvVars           []blueprintEnv  `yaml:"envVars,omitempty"`
}

type blueprintImage struct {
	URL   string          `yaml:"url"`
	Creds *blueprintCreds `yaml:"creds,omitempty"`
}

type blueprintCreds struct {
	FromRegistryCreds struct {
		Name string `yaml:"name"`
	} `yaml:"fromRegistryCreds"`
}

type blueprintEnv struct {
	Key   string  `yaml:"key"`
	Value *string `yaml:"value,omitempty"`
	Sync  *bool   `yaml:"sync,omitempty"`
}

// renderYAML renders render.yaml. A secret is its name with sync: false, which makes Render ask for the value.
func (in RenderInput) renderYAML() ([]byte, error) {
	s := blueprintService{
		Type: "web", Name: in.AppName, Runtime: in.runtime(), Plan: in.InstancePlan, Region: in.Region,
		HealthCheckPath: in.HealthPath, AutoDeployTrigger: "off", PreDeployCommand: in.ReleaseCommand,
	}
	if in.Instances > 1 {
		s.NumInstances = in.Instances
	}
	if in.Image != "" {
		s.Image = &blueprintImage{URL: in.Image}
		if in.RegistryCredential != "" {
			s.Image.Creds = &blueprintCreds{}
			s.Image.Creds.FromRegistryCreds.Name = in.RegistryCredential
		}
	} else {
		s.Repo, s.Branch = in.RepoURL, in.Branch
	}
	refs, err := in.refs()
	if err != nil {
		return nil, err
	}
	plain := in.plainEnv()
	all := map[string]bool{}
	for k := range refs {
		all[k] = true
	}
	for k := range plain {
		all[k] = true
	}
	no := false
	for _, key := range sorted(all) {
		if value, ok := plain[key]; ok {
			s.EnvVars = append(s.EnvVars, blueprintEnv{Key: key, Value: &value})
		} else {
			s.EnvVars = append(s.EnvVars, blueprintEnv{Key: key, Sync: &no})
		}
	}
	data, err := yaml.Marshal(blueprintFile{Services: []blueprintService{s}})
	if err != nil {
		return nil, err
	}
	return append([]byte("# Written by orch from the deployment's inputs; edits are overwritten.\n"), data...), nil
}

// plainEnv are the plain variables with the port that Render's proxy talks to.
func (in RenderInput) plainEnv() map[string]string {
	out := map[string]string{"PORT": fmt.Sprint(in.Port)}
	for k, v := range in.Env {
		out[k] = v
	}
	return out
}

func (in RenderInput) runtime() string {
	if in.Image != "" {
		return "image"
	}
	return "docker"
}

func (s *settings) renderReady() error {
	if s.Render.APIKey == "" {
		return notConfigured("render.api_key")
	}
	return nil
}

// renderOwner is the workspace that things are made in.
func (s *settings) renderOwner(ctx context.Context, in RenderInput) (string, error) {
	if id := firstOf(in.OwnerID, s.Render.OwnerID); id != "" {
		return id, nil
	}
	all, err := s.render.Owners(ctx)
	if err != nil {
		return "", err
	}
	if len(all) == 1 {
		return all[0].ID, nil
	}
	var names []string
	for _, o := range all {
		names = append(names, o.Name+" ("+o.ID+")")
	}
	return "", final(typeAmbiguous, "render: the key reaches %d workspaces (%s); set owner_id", len(all), strings.Join(names, ", "))
}

// findRenderService finds the service of our name.
func (s *settings) findRenderService(ctx context.Context, owner, name string) (render.Service, bool, error) {
	found, err := s.render.ServicesNamed(ctx, owner, name)
	if err != nil || len(found) == 0 {
		return render.Service{}, false, err
	}
	if len(found) > 1 {
		return render.Service{}, false, final(typeAmbiguous, "render: the workspace holds %d services named %s; remove all but one", len(found), name)
	}
	if found[0].Suspended == "suspended" {
		return found[0], true, invalid("render: service %s is suspended; resume it in the dashboard", name)
	}
	return found[0], true, nil
}
