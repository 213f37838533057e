package deploy

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"
	"go.yaml.in/yaml/v3"
)

func newGenerator(t *testing.T) (*run, string) {
	t.Helper()
	dir := t.TempDir()
	return newRun(t, map[string]any{"output_dir": dir}, alive{}), dir
}

func everything(more map[string]any) map[string]any {
	return with(map[string]any{"app_name": "shop", "platforms": []string{"render", "flyio", "railway", "flyio"}, "image": "ghcr.io/acme/shop:v1",
		"region": "frankfurt", "internal_port": 3000, "health_path": "/healthz", "instances": 2, "release_command": "bin/migrate --all",
		"env": map[string]string{"ZETA": "1", "ALPHA": "two words", "QUOTE": `a "b" c`}, "secret_refs": []string{"DATABASE_URL", "COPY=DATABASE_URL"},
		"strategy": "bluegreen", "auto_stop": "suspend", "min_machines_running": 1, "memory_mb": 512, "registry_credential": "ghcr", "instance_plan": "starter"}, more)
}

func schemaOf(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	s, err := c.Compile(findSpecs(t).Path(name))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// plain turns YAML's and TOML's values into what encoding/json makes.
func plain(t *testing.T, v any) any {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestGeneratedFilesFitTheOfficialSchemas(t *testing.T) {
	r, dir := newGenerator(t)
	inputs := map[string]map[string]any{
		"everything":        everything(nil),
		"the least":         {"app_name": "shop", "platforms": []string{"flyio", "railway", "render"}, "image": "nginx:1.27"},
		"from a repository": {"app_name": "shop", "platforms": []string{"render"}, "repo_url": "https://github.com/acme/shop", "branch": "main"},
	}
	fly, blueprint := schemaOf(t, "fly-toml.schema.json"), schemaOf(t, "render-blueprint.schema.json")
	for name, in := range inputs {
		t.Run(name, func(t *testing.T) {
			var out Generated
			r.must("generate_deployment_configs_activity", in, &out)
			for _, f := range out.Files {
				data, err := os.ReadFile(f.Path)
				if err != nil {
					t.Fatal(err)
				}
				if isCanary(data) || filepath.Dir(f.Path) != filepath.Join(dir, "shop") {
					t.Errorf("%s:\n%s", f.Path, data)
				}
				switch f.Platform {
				case "flyio":
					var v map[string]any
					if err := toml.Unmarshal(data, &v); err != nil {
						t.Fatal(err)
					}
					if err := fly.Validate(plain(t, v)); err != nil {
						t.Errorf("fly.toml: %v\n%s", err, data)
					}
					// The official schema takes any unknown key at the top, so our own types have to refuse it.
					strict := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields()
					if err := strict.Decode(&flyToml{}); err != nil {
						t.Errorf("fly.toml: %v", err)
					}
				case "render":
					var v map[string]any
					if err := yaml.Unmarshal(data, &v); err != nil {
						t.Fatal(err)
					}
					if err := blueprint.Validate(plain(t, v)); err != nil {
						t.Errorf("render.yaml: %v\n%s", err, data)
					}
				case "railway":
					planFits(t, data)
				}
			}
		})
	}
}

func planFits(t *testing.T, data []byte) {
	t.Helper()
	text, err := os.ReadFile(findSpecs(t).Path("railway-graphql.schema.graphql"))
	if err != nil {
		t.Fatal(err)
	}
	schema, err := gqlparser.LoadSchema(&ast.Source{Input: string(text)})
	if err != nil {
		t.Fatal(err)
	}
	var plan struct {
		Operations []struct {
			Operation, Query string
			Variables        map[string]any
		}
	}
	if err := json.Unmarshal(data, &plan); err != nil {
		t.Fatal(err)
	}
	if len(plan.Operations) != 6 {
		t.Errorf("%d operations", len(plan.Operations))
	}
	for _, op := range plan.Operations {
		doc, errs := gqlparser.LoadQuery(schema, op.Query)
		if len(errs) > 0 {
			t.Errorf("%s: %v", op.Operation, errs)
			continue
		}
		if _, err := validator.VariableValues(schema, doc.Operations[0], op.Variables); err != nil {
			t.Errorf("%s: %v", op.Operation, err)
		}
	}
}

func TestTheSchemasWouldCatchAMistake(t *testing.T) {
	blueprint := schemaOf(t, "render-blueprint.schema.json")
	for _, bad := range []string{
		`{"services":[{"type":"web","name":"shop","runtime":"img"}]}`,
		`{"services":[{"type":"web","name":"shop","runtime":"image","helthCheckPath":"/"}]}`,
		`{"services":[{"type":"web","name":"shop","runtime":"image","envVars":[{"name":"A","value":"b"}]}]}`,
	} {
		v, _ := jsonschema.UnmarshalJSON(strings.NewReader(bad))
		if blueprint.Validate(v) == nil {
			t.Errorf("%s passes", bad)
		}
	}
	fly := schemaOf(t, "fly-toml.schema.json")
	v, _ := jsonschema.UnmarshalJSON(strings.NewReader(`{"app":"shop","deploy":{"strategy":"blue-green"}}`))
	if fly.Validate(v) == nil {
		t.Error("a strategy that Fly does not have passes")
	}
}

func TestTheSameInputGivesTheSameBytesAndSaysUnchanged(t *testing.T) {
	r, dir := newGenerator(t)
	read := func() map[string]string {
		out := map[string]string{}
		for _, name := range []string{"fly.toml", "render.yaml", "railway.plan.json"} {
			data, err := os.ReadFile(filepath.Join(dir, "shop", name))
			if err != nil {
				t.Fatal(err)
			}
			out[name] = string(data)
		}
		return out
	}
	var first, again Generated
	r.must("generate_deployment_configs_activity", everything(nil), &first)
	before := read()
	if !first.Changed || len(first.Files) != 3 || first.Files[0].Status != "created" {
		t.Errorf("%+v", first)
	}
	for range 5 {
		r.must("generate_deployment_configs_activity", everything(nil), &again)
		if again.Changed || again.Files[1].Status != "unchanged" || len(again.Plan) != 0 {
			t.Errorf("%+v", again)
		}
		if diff := cmp.Diff(before, read()); diff != "" {
			t.Fatal(diff)
		}
	}
	r.must("generate_deployment_configs_activity", everything(map[string]any{"image": "ghcr.io/acme/shop:v2"}), &again)
	if !again.Changed || again.Files[0].Status != "updated" {
		t.Errorf("%+v", again)
	}
	left, err := filepath.Glob(filepath.Join(dir, "shop", ".tmp-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestADryRunWritesNoFile(t *testing.T) {
	r, dir := newGenerator(t)
	var out Generated
	r.must("generate_deployment_configs_activity", everything(map[string]any{"dry_run": true}), &out)
	if out.Changed || len(out.Plan) != 3 {
		t.Errorf("%+v", out)
	}
	if all, _ := os.ReadDir(dir); len(all) > 0 {
		t.Errorf("written: %v", all)
	}
}

func TestInputsThatAreRefused(t *testing.T) {
	cases := map[string]struct {
		in   map[string]any
		text string
	}{
		"a platform that does not exist":     {map[string]any{"platforms": []string{"flyio", "heroku"}}, "heroku"},
		"no platform":                        {map[string]any{"platforms": []string{}}, "platforms is empty"},
		"an app name that leaves the folder": {map[string]any{"app_name": "../../etc"}, "app_name"},
		"a strategy that does not exist":     {map[string]any{"strategy": "canary"}, "rolling or bluegreen"},
		"a secret's value among the plain":   {map[string]any{"env": map[string]string{"URL": canarySecret}}, "secret_refs"},
		"a name given twice":                 {map[string]any{"env": map[string]string{"DATABASE_URL": "x"}}, "given in env and in secret_refs"},
		"a port that is none":                {map[string]any{"internal_port": 70000}, "port"},
		"a path without a slash":             {map[string]any{"health_path": "up"}, "slash"},
		"a time below zero":                  {map[string]any{"deploy_timeout": "-5m"}, "deploy_timeout"},
		"too many instances":                 {map[string]any{"instances": 1000}, "instances"},
		"an image that is none":              {map[string]any{"image": "-rf /"}, "image"},
		"our own variable":                   {map[string]any{"env": map[string]string{"ORCH_DEPLOY": "x"}}, "ORCH_DEPLOY"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r, dir := newGenerator(t)
			fail := r.do("generate_deployment_configs_activity", everything(c.in), nil)
			if fail == nil || !fail.Final || !strings.Contains(fail.Message, c.text) {
				t.Fatalf("verdict %v, want one with %q", fail, c.text)
			}
			if all, _ := os.ReadDir(dir); len(all) > 0 {
				t.Errorf("written all the same: %v", all)
			}
		})
	}
}
