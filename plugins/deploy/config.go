package deploy

import (
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/orch-host/orch/plugins/deploy/internal/fly"
	"github.com/orch-host/orch/plugins/deploy/internal/github"
	"github.com/orch-host/orch/plugins/deploy/internal/httpapi"
	"github.com/orch-host/orch/plugins/deploy/internal/railway"
	"github.com/orch-host/orch/plugins/deploy/internal/redact"
	"github.com/orch-host/orch/plugins/deploy/internal/render"
	"github.com/orch-host/orch/sdk"
)

// userAgent names us to the providers.
const userAgent = "orch-deploy/1 (+https://github.com/orch-host/orch)"

// Config is the table [plugins.deploy.config].
type Config struct {
	OutputDir  string                `json:"output_dir,omitempty" jsonschema:"folder for generated files; default: the plugin's state folder"`
	SourceDir  string                `json:"source_dir,omitempty" jsonschema:"folder that push_to_github may take further files from; default: none"`
	Secrets    map[string]sdk.Secret `json:"secrets,omitempty" jsonschema:"secrets that inputs may name in secret_refs, e.g. DATABASE_URL = \"env:DATABASE_URL\""`
	Registries map[string]Registry   `json:"registries,omitempty" jsonschema:"credentials by registry host, e.g. ghcr.io"`
	// PollInterval also sets the pause between two health requests.
	PollInterval sdk.Duration  `json:"poll_interval,omitempty" jsonschema:"pause between two looks at a deployment; default 2s growing to 5s, on Railway 5s because of its hourly limit of requests"`
	Fly          FlyConfig     `json:"fly,omitempty"`
	Railway      RailwayConfig `json:"railway,omitempty"`
	Render       RenderConfig  `json:"render,omitempty"`
	GitHub       GitHubConfig  `json:"github,omitempty"`
}

// Registry is a login at a container registry.
type Registry struct {
	Username string     `json:"username,omitempty"`
	Password sdk.Secret `json:"password,omitempty"`
}

// FlyConfig is the login at Fly.io.
type FlyConfig struct {
	Token  sdk.Secret `json:"token,omitempty" jsonschema:"org token (fly tokens create org); a deploy token when the app exists"`
	Org    string     `json:"org,omitempty" jsonschema:"organisation slug for new apps; default personal"`
	APIURL string     `json:"api_url,omitempty"`
	// Registry exists for a private mirror and for tests.
	Registry string `json:"registry,omitempty" jsonschema:"host that local images are pushed to; default registry.fly.io"`
}

// RailwayConfig is the login at Railway.
type RailwayConfig struct {
	Token        sdk.Secret `json:"token,omitempty" jsonschema:"account or workspace token"`
	ProjectToken sdk.Secret `json:"project_token,omitempty" jsonschema:"token of one environment of one project, instead of token"`
	WorkspaceID  string     `json:"workspace_id,omitempty" jsonschema:"workspace for new projects; default: the token's only one"`
	APIURL       string     `json:"api_url,omitempty"`
}

// RenderConfig is the login at Render.
type RenderConfig struct {
	APIKey  sdk.Secret `json:"api_key,omitempty"`
	OwnerID string     `json:"owner_id,omitempty" jsonschema:"workspace (tea-... or usr-...); default: the key's only one"`
	APIURL  string     `json:"api_url,omitempty"`
}

// GitHubConfig is the login at GitHub.
type GitHubConfig struct {
	Token  sdk.Secret `json:"token,omitempty" jsonschema:"token with contents:write on the repository; administration:write to create it"`
	APIURL string     `json:"api_url,omitempty"`
	GitURL string     `json:"git_url,omitempty" jsonschema:"default https://github.com"`
}

// settings is a configuration with the clients made from it. Immutable.
type settings struct {
	Config
	redact  *redact.Set
	http    *http.Client
	fly     *fly.Client
	railway *railway.Client
	render  *render.Client
	github  *github.Client
}

func newSettings(c Config) (*settings, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.GitHub.GitURL == "" {
		c.GitHub.GitURL = "https://github.com"
	}
	if c.Fly.Registry == "" {
		c.Fly.Registry = "registry.fly.io"
	}
	s := &settings{Config: c, redact: redact.New(c.secretValues()...), http: httpapi.NewHTTPClient()}
	s.fly = fly.New(fly.Options{BaseURL: c.Fly.APIURL, Token: c.Fly.Token.Reveal(), UserAgent: userAgent, HTTP: s.http, Redact: s.redact.String})
	s.railway = railway.New(railway.Options{BaseURL: c.Railway.APIURL, Token: c.Railway.Token.Reveal(),
		ProjectToken: c.Railway.ProjectToken.Reveal(), UserAgent: userAgent, HTTP: s.http, Redact: s.redact.String})
	s.render = render.New(render.Options{BaseURL: c.Render.APIURL, APIKey: c.Render.APIKey.Reveal(), UserAgent: userAgent, HTTP: s.http, Redact: s.redact.String})
	s.github = github.New(github.Options{BaseURL: c.GitHub.APIURL, Token: c.GitHub.Token.Reveal(), UserAgent: userAgent, HTTP: s.http, Redact: s.redact.String})
	return s, nil
}

func (c Config) secretValues() []string {
	values := []string{c.Fly.Token.Reveal(), strings.TrimPrefix(c.Fly.Token.Reveal(), "FlyV1 "), c.Railway.Token.Reveal(),
		c.Railway.ProjectToken.Reveal(), c.Render.APIKey.Reveal(), c.GitHub.Token.Reveal()}
	for _, s := range c.Secrets {
		values = append(values, s.Reveal())
	}
	for _, r := range c.Registries {
		values = append(values, r.Password.Reveal())
	}
	return values
}

func (c Config) check() error {
	var errs []error
	for _, u := range []struct{ key, value string }{
		{"fly.api_url", c.Fly.APIURL}, {"railway.api_url", c.Railway.APIURL}, {"render.api_url", c.Render.APIURL},
		{"github.api_url", c.GitHub.APIURL}, {"github.git_url", c.GitHub.GitURL},
	} {
		if u.value == "" {
			continue
		}
		p, err := url.Parse(u.value)
		if err != nil || p.Host == "" || (p.Scheme != "https" && !(p.Scheme == "http" && loopback(p.Hostname()))) {
			errs = append(errs, sdk.ConfigProblem(u.key, "%q is not an https URL (http is for this machine only): a token would travel in clear", u.value))
		}
	}
	for _, f := range []struct{ key, value string }{{"output_dir", c.OutputDir}, {"source_dir", c.SourceDir}} {
		if f.value != "" && !filepath.IsAbs(f.value) {
			errs = append(errs, sdk.ConfigProblem(f.key, "%q is not an absolute path", f.value))
		}
	}
	if c.Railway.Token != "" && c.Railway.ProjectToken != "" {
		errs = append(errs, sdk.ConfigProblem("railway.project_token", "set either token or project_token"))
	}
	for name := range c.Secrets {
		if !envName.MatchString(name) {
			errs = append(errs, sdk.ConfigProblem("secrets."+name, "is not a name: use letters, digits and _"))
		}
	}
	return errors.Join(errs...)
}
