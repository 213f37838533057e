package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/orch-host/orch/plugins/deploy/internal/railway"
	"github.com/orch-host/orch/sdk"
)

// GenerateInput is the input of generate_deployment_configs_activity.
type GenerateInput struct {
	App
	Platforms []string `json:"platforms,omitempty" jsonschema:"flyio, railway, render"`
	FlySettings
	RailwaySettings
	RenderSettings
	GitHubRepo string `json:"github_repo,omitempty" jsonschema:"owner/name"`
}

// Generated is what generate_deployment_configs_activity reports.
type Generated struct {
	Files   []GeneratedFile `json:"files"`
	Changed bool            `json:"changed"`
	DryRun  bool            `json:"dry_run,omitempty"`
	Plan    []string        `json:"plan"`
}

// GeneratedFile is one file. It holds names of secrets, never values.
type GeneratedFile struct {
	Platform string   `json:"platform"`
	Path     string   `json:"path"`
	Status   string   `json:"status"` // created, updated, unchanged; in a dry run what it would be
	Secrets  []string `json:"secrets,omitempty"`
}

// generateConfigs renders the files of the wanted platforms. It is a pure function of its input: same input, same bytes.
func (d *deployer) generateConfigs(ctx context.Context, in GenerateInput) (Generated, error) {
	s := d.settings()
	out := Generated{DryRun: in.DryRun, Files: []GeneratedFile{}, Plan: []string{}}
	if err := in.App.check(); err != nil {
		return out, err
	}
	if len(in.Platforms) == 0 {
		return out, invalid("platforms is empty: name flyio, railway or render")
	}
	refs, err := in.refs()
	if err != nil {
		return out, err
	}
	dir := s.outputDir(ctx, in.AppName)
	platforms := slices.Compact(slices.Sorted(slices.Values(in.Platforms)))
	type file struct {
		platform, name string
		data           []byte
	}
	var files []file
	for _, p := range platforms {
		// All are rendered before one is written: a refused platform leaves nothing half done.
		name, data, err := in.render(p)
		if err != nil {
			return out, fail(err)
		}
		if err := s.withoutSecrets(name, data, in); err != nil {
			return out, err
		}
		files = append(files, file{p, name, data})
	}
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		old, rerr := os.ReadFile(path)
		status := "unchanged"
		switch {
		case rerr != nil:
			status = "created"
		case !bytes.Equal(old, f.data):
			status = "updated"
		}
		if !in.DryRun {
			changed, err := writeFile(path, f.data, 0o644)
			if err != nil {
				return out, err
			}
			out.Changed = out.Changed || changed
		}
		if status != "unchanged" {
			out.Plan = append(out.Plan, fmt.Sprintf("%s %s", map[bool]string{true: "write", false: "wrote"}[in.DryRun], path))
		}
		out.Files = append(out.Files, GeneratedFile{Platform: f.platform, Path: path, Status: status, Secrets: sorted(refs)})
	}
	return out, nil
}

func (in GenerateInput) render(platform string) (name string, data []byte, err error) {
	switch platform {
	case "flyio":
		f := FlyInput{App: in.App, FlySettings: in.FlySettings}
		if err = f.check(); err == nil {
			data, err = f.flyToml()
		}
		return "fly.toml", data, err
	case "railway":
		r := RailwayInput{App: in.App, RailwaySettings: in.RailwaySettings}
		if err = r.check(); err == nil {
			data, err = r.plan()
		}
		return "railway.plan.json", data, err
	case "render":
		r := RenderInput{App: in.App, RenderSettings: in.RenderSettings, GitHubRepo: in.GitHubRepo}
		if err = r.check(); err == nil {
			data, err = r.renderYAML()
		}
		return "render.yaml", data, err
	}
	return "", nil, invalid("platform %q: use flyio, railway or render", platform)
}

// withoutSecrets refuses a file that holds the value of a configured secret. The input that it was made from is looked
// through as well: in the file a format may have written some characters in another way.
func (s *settings) withoutSecrets(name string, data []byte, in any) error {
	if !s.redact.In(data) && !s.secretAmong(in) {
		return nil
	}
	return final(typeSecretInFiles, "%s would hold the value of a configured secret; give it in secret_refs, not in env", name)
}

// secretAmong reports whether a text of an input holds the value of a configured secret.
func (s *settings) secretAmong(in any) bool {
	data, err := json.Marshal(in)
	var v any
	if err != nil || json.Unmarshal(data, &v) != nil {
		return true // an input came as JSON, so this does not happen
	}
	var look func(v any) bool
	look = func(v any) bool {
		switch v := v.(type) {
		case string:
			return s.redact.In([]byte(v))
		case []any:
			return slices.ContainsFunc(v, look)
		case map[string]any:
			for _, x := range v {
				if look(x) {
					return true
				}
			}
		}
		return false
	}
	return look(v)
}

// outputDir is where the files of an app go. It is the configuration's, never an input's: an input must not choose where
// on this machine something is written.
func (s *settings) outputDir(ctx context.Context, app string) string {
	base := s.OutputDir
	if base == "" {
		base = filepath.Join(sdk.StateDir(ctx), "configs")
	}
	return filepath.Join(base, app)
}

// plan is the sequence of GraphQL operations that the Railway activities send, with names in place of secrets and of ids
// that are not known yet. Railway stops reading railway.json on 2026-12-01, so this is for people and for review.
func (in RailwayInput) plan() ([]byte, error) {
	refs, err := in.refs()
	if err != nil {
		return nil, err
	}
	vars := map[string]string{"PORT": fmt.Sprint(in.Port)}
	for k, v := range in.Env {
		vars[k] = v
	}
	for k, name := range refs {
		vars[k] = "<secret " + name + ">"
	}
	const project, env, service = "<project id>", "<environment id>", "<service id>"
	ids := func(more map[string]any) map[string]any {
		out := map[string]any{"projectId": project, "environmentId": env, "serviceId": service}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	type op struct {
		Operation string         `json:"operation"`
		When      string         `json:"when,omitempty"`
		Query     string         `json:"query"`
		Variables map[string]any `json:"variables"`
	}
	q := railway.DeployMutations()
	plan := map[string]any{
		"comment": "Written by orch from the deployment's inputs; edits are overwritten.",
		"operations": []op{
			{"projectCreate", "no project of this name", q.ProjectCreate, map[string]any{"input": map[string]any{"name": in.ProjectName, "defaultEnvironmentName": firstOf(in.Environment, defaultEnvironment)}}},
			{"serviceCreate", "no service of this name", q.ServiceCreate, map[string]any{"input": map[string]any{"projectId": project, "environmentId": env, "name": in.AppName}}},
			{"variableCollectionUpsert", "a variable differs", q.Variables, map[string]any{"input": ids(map[string]any{"variables": vars, "skipDeploys": true, "replace": false})}},
			{"serviceDomainCreate", "no domain", q.DomainCreate, map[string]any{"input": map[string]any{"serviceId": service, "environmentId": env, "targetPort": in.Port}}},
			{"serviceInstanceUpdate", "image, settings or variables differ", q.ServiceInstance, map[string]any{"serviceId": service, "environmentId": env, "input": in.instanceSettings(in.Image)}},
			{"serviceInstanceDeployV2", "image, settings or variables differ", q.Deploy, map[string]any{"serviceId": service, "environmentId": env}},
		},
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err = enc.Encode(plan)
	return buf.Bytes(), err
}
