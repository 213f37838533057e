package config_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/orch-host/orch/config"
	"github.com/pelletier/go-toml/v2"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write the generated files")

func TestReferenceOfTheConfigurationIsUpToDate(t *testing.T) {
	const file = "../docs/configuration.md"
	if *update {
		if err := os.MkdirAll("../docs", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, config.Reference(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(config.Reference()), string(got)); diff != "" {
		t.Errorf("%s is stale; run: go test ./config -run Reference -update\n%s", file, diff)
	}
}

func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	data, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("orch.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("orch.json")
	if err != nil {
		t.Fatalf("the schema does not hold to JSON Schema 2020-12: %v", err)
	}
	return s
}

// instance is a TOML text as the JSON that an editor checks.
func instance(t *testing.T, text string) any {
	t.Helper()
	var m map[string]any
	if err := toml.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestTheSchemaAndLoadAgree(t *testing.T) {
	schema := compile(t)
	for text, good := range map[string]bool{
		string(config.Example()): true,
		"[plugins]\nmode='warn'\n[plugins.x]\nmemory='256MiB'\nversion='~1'\n[plugins.x.config]\nany.thing=1": true,
		"[plugins.x]\nmemory=268435456\ndrain='1h30m'":                                                        true,
		"[services.a]\nworkflow='W'\nplacement='gpu'\nparams={x=[1]}":                                         true,
		"[services.a]\nthen=[]\nworkflow='W'":                                                                 true,
		"[temporal]\napi_key='env:X'\n[temporal.tls]\nenabled=true":                                           true,
		"[host]\nlisten=''\nlabels=['zone=eu']":                                                               true,
		"[host]\nloglevel='info'":                                                                             false,
		"[host]\nlog_level='loud'":                                                                            false,
		"[host]\nstop_grace='soon'":                                                                           false,
		"[host]\nstop_grace=30":                                                                               false,
		"[host]\nlabels=['a b']":                                                                              false,
		"[temporal.embedded]\nport=0":                                                                         false,
		"[temporal]\nweb_ui='ftp://x'":                                                                        false,
		"[services.'a b']\nworkflow='W'":                                                                      false,
		"[services.a]\ntask_queue='q'":                                                                        false,
		"[services.a]\nworkflwo='W'":                                                                          false,
		"[plugins.x]\nmemory='lots'":                                                                          false,
		"[plugins.x]\nenv=['A-B']":                                                                            false,
		"[plugins]\nmoed='off'":                                                                               false,
		"[dev]\nx='unix:/tmp/x'":                                                                              false,
	} {
		err := schema.Validate(instance(t, text))
		if (err == nil) != good {
			t.Errorf("the schema on %q: %v", text, err)
		}
		if _, err := config.Load(config.Options{Path: write(t, text), Environ: []string{}}); (err == nil) != good {
			t.Errorf("Load on %q: %v", text, err)
		}
	}
}

func TestTheExampleLoadsWithTheDefaultsAndTheShippedServices(t *testing.T) {
	c := load(t, string(config.Example()))
	want := map[string][3]string{
		"logs-pipeline":         {"LogsPipelineWorkflow", "", "logs-pipeline-queue"},
		"metrics-pipeline":      {"MetricsPipelineWorkflow", "", "metrics-pipeline-queue"},
		"tracing-pipeline":      {"TracingPipelineWorkflow", "", "tracing-pipeline-queue"},
		"knowledge_graph":       {"DatabasePipelineWorkflow", "", "knowledge_graph-queue"},
		"stdout-ingest":         {"ApplicationStdoutIngestWorkflow", "", "stdout-ingest-queue"},
		"container-logs-ingest": {"ContainerLogsIngestWorkflow", "", "container-logs-ingest-queue"},
		"otlp-ingest":           {"OtlpFromAppsIngestWorkflow", "", "otlp-ingest-queue"},
		"chat":                  {"ChatSetupWorkflow", "ChatCleanupWorkflow", "chat-queue"},
		"ai-proxy":              {"AIProxyWorkflow", "AIProxyCleanupWorkflow", "ai-proxy-queue"},
		"flyio-deploy":          {"FlyioDeploymentWorkflow", "", "flyio-deploy-queue"},
		"railway-deploy":        {"RailwayDeploymentWorkflow", "", "railway-deploy-queue"},
		"render-deploy":         {"RenderDeploymentWorkflow", "", "render-deploy-queue"},
	}
	got := map[string][3]string{}
	for name, s := range c.Services {
		got[name] = [3]string{s.Workflow, s.StopWorkflow, s.TaskQueue}
		if s.WorkflowID != name+"_1" {
			t.Errorf("%s has the workflow id %s", name, s.WorkflowID)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(c.Services, config.ShippedServices()); diff != "" {
		t.Error(diff)
	}
}

func TestEverySettingThatTheExampleShowsInACommentLoads(t *testing.T) {
	var b strings.Builder
	for line := range strings.Lines(string(config.Example())) {
		if rest, ok := strings.CutPrefix(line, "# "); ok && (strings.Contains(rest, " = ") || strings.HasPrefix(rest, "[")) {
			line = rest
		}
		b.WriteString(line)
	}
	text := strings.NewReplacer(`"the host name"`, `"here"`).Replace(b.String())
	c := load(t, text)
	if c.Plugins.Groups["databases"].MaxConcurrent != 20 || len(c.Services["run_logs_pipeline_then_stdout_ingest"].Then) != 2 {
		t.Errorf("the comments were not read: %+v", c.Plugins)
	}
	d := config.Default()
	defaults := []any{d.Temporal.Mode, d.Temporal.Address, d.Temporal.WebUI, d.Temporal.Embedded.Retention, d.Host.Listen, d.Host.LogLevel, d.Host.StopGrace, d.Plugins.Mode, d.Plugins.Drain, d.Plugins.Grace, d.Plugins.Probation}
	shown := []any{c.Temporal.Mode, c.Temporal.Address, c.Temporal.WebUI, c.Temporal.Embedded.Retention, c.Host.Listen, c.Host.LogLevel, c.Host.StopGrace, c.Plugins.Mode, c.Plugins.Drain, c.Plugins.Grace, c.Plugins.Probation}
	if diff := cmp.Diff(defaults, shown); diff != "" {
		t.Errorf("the example shows other defaults: %s", diff)
	}
}

func TestWhatRedactedPrintsLoadsAgain(t *testing.T) {
	c := load(t, string(config.Example()))
	data, err := toml.Marshal(c.Redacted())
	if err != nil {
		t.Fatal(err)
	}
	again := load(t, string(data))
	if diff := cmp.Diff(c.Redacted(), again.Redacted()); diff != "" {
		t.Error(diff)
	}
}
