package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/orch-host/orch/config"
	"github.com/spf13/pflag"
)

const twoServices = `
[services.logs-pipeline]
workflow = "LogsPipelineWorkflow"
params = { retries = 1, serviceName = "logs" }
[services.knowledge_graph]
workflow = "DatabasePipelineWorkflow"
[plugins.databases]
`

func TestVariablesReachEveryLevel(t *testing.T) {
	c := load(t, twoServices,
		"ORCH_TEMPORAL__EMBEDDED__UI_PORT=8181",
		"ORCH_HOST__LABELS=gpu, zone=eu",
		`ORCH_PLUGINS__DATABASES__ENV=["HTTPS_PROXY","NO_PROXY"]`,
		"ORCH_PLUGINS__DATABASES__MAX_CONCURRENT=7",
		"ORCH_PLUGINS__DATABASES__ALLOW_BREAKING=true",
		"ORCH_PLUGINS__DATABASES__CONFIG__NEO4J__HEAP=512",
		"ORCH_PLUGINS__CHAT__MEMORY=1GiB",
		"ORCH_SERVICES__LOGS_PIPELINE__TASK_QUEUE=lq",
		"ORCH_SERVICES__LOGS_PIPELINE__PARAMS__SERVICENAME=other",
		"ORCH_SERVICES__LOGS_PIPELINE__PARAMS__PORTS=[1,2]",
		"ORCH_SERVICES__KNOWLEDGE_GRAPH__PARAMS={\"a\": {\"b\": 1.5}}",
		"ORCH_SERVICES__MINE__WORKFLOW=MyWorkflow",
	)
	got := map[string]any{
		"ui": c.Temporal.Embedded.UIPort, "labels": c.Host.Labels, "env": c.Plugins.Groups["databases"].Env,
		"max": c.Plugins.Groups["databases"].MaxConcurrent, "breaking": c.Plugins.Groups["databases"].AllowBreaking,
		"config": c.Plugins.Groups["databases"].Config, "memory": c.Plugins.Groups["chat"].Memory,
		"queue": c.Services["logs-pipeline"].TaskQueue, "params": c.Services["logs-pipeline"].Params,
		"json": c.Services["knowledge_graph"].Params, "new": c.Services["mine"].WorkflowID,
	}
	want := map[string]any{
		"ui": 8181, "labels": []string{"gpu", "zone=eu"}, "env": []string{"HTTPS_PROXY", "NO_PROXY"},
		"max": 7, "breaking": true,
		"config": map[string]any{"neo4j": map[string]any{"heap": int64(512)}}, "memory": config.Bytes(1 << 30),
		"queue": "lq", "params": map[string]any{"retries": int64(1), "ports": []any{int64(1), int64(2)}, "serviceName": "other"},
		"json": map[string]any{"a": map[string]any{"b": 1.5}}, "new": "mine_1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAVariableThatMeansNothingIsAProblemWithTheNearestOne(t *testing.T) {
	for variable, want := range map[string]string{
		"ORCH_TEMPORAL_ADDRESS": `ORCH_TEMPORAL_ADDRESS: names no setting; did you mean "ORCH_TEMPORAL__ADDRESS"?`,
		"ORCH_HOST__LOGLEVEL":   `ORCH_HOST__LOGLEVEL: names no setting; did you mean "ORCH_HOST__LOG_LEVEL"?`,
		"ORCH_HOST":             `ORCH_HOST: names a table, not a setting`,
		"ORCH_HOST__":           `ORCH_HOST__: names no setting: a level of its name is empty`,
		"ORCH_SERVICES__LOGS_PIPELINE__TASK_QUEU":   `ORCH_SERVICES__LOGS_PIPELINE__TASK_QUEU: names no setting; did you mean "ORCH_SERVICES__LOGS_PIPELINE__TASK_QUEUE"?`,
		"ORCH_SERVICES__LOGS_PIPELINE":              `ORCH_SERVICES__LOGS_PIPELINE: names `,
		"ORCH_PLUGINS__DIR__X":                      `ORCH_PLUGINS__DIR__X: names no setting; did you mean "ORCH_PLUGINS__DIR"?`,
		"ORCH_SERVICES__LOGS_PIPELINE__WORKFLOW__X": `ORCH_SERVICES__LOGS_PIPELINE__WORKFLOW__X: names no setting; did you mean "ORCH_SERVICES__LOGS_PIPELINE__WORKFLOW"?`,
	} {
		p := problems(t, config.Options{Path: write(t, twoServices), Environ: []string{variable + "=x"}})
		if len(p) != 1 || !strings.HasPrefix(p.Error(), want) {
			t.Errorf("got  %v\nwant %s", p, want)
		}
	}
}

func TestAVariableOfTheWrongTypeNamesItselfAndTheKey(t *testing.T) {
	for entry, want := range map[string]string{
		"ORCH_TEMPORAL__EMBEDDED__PORT=many":                 `ORCH_TEMPORAL__EMBEDDED__PORT: temporal.embedded.port: expected a whole number, found "many"`,
		"ORCH_TEMPORAL__EMBEDDED__PORT=0":                    `ORCH_TEMPORAL__EMBEDDED__PORT: temporal.embedded.port: expected 1 to 65535, found 0`,
		"ORCH_PLUGINS__DATABASES__DISABLED=maybe":            `ORCH_PLUGINS__DATABASES__DISABLED: plugins.databases.disabled: expected true or false, found "maybe"`,
		"ORCH_SERVICES__LOGS_PIPELINE__PARAMS=text":          `ORCH_SERVICES__LOGS_PIPELINE__PARAMS: services.logs-pipeline.params: expected a table, found the string "text"`,
		"ORCH_SERVICES__LOGS_PIPELINE__PARAMS__TOKEN=x":      `ORCH_SERVICES__LOGS_PIPELINE__PARAMS__TOKEN: services.logs-pipeline.params.token: looks like a secret`,
		"ORCH_HOST__RUNTIME_DIR=/" + strings.Repeat("x", 99): `ORCH_HOST__RUNTIME_DIR: host.runtime_dir: /xxx`,
	} {
		p := problems(t, config.Options{Path: write(t, twoServices), Environ: []string{entry}})
		if len(p) != 1 || !strings.HasPrefix(p.Error(), want) {
			t.Errorf("got  %v\nwant %s", p, want)
		}
	}
}

func TestAVariableThatCouldMeanTwoServicesIsRefused(t *testing.T) {
	p := problems(t, config.Options{
		Path:    write(t, "[services.a-b]\nworkflow='W'\n[services.a_b]\nworkflow='W'\n"),
		Environ: []string{"ORCH_SERVICES__A_B__TASK_QUEUE=q"},
	})
	if !strings.HasPrefix(p.Error(), "ORCH_SERVICES__A_B__TASK_QUEUE: A_B could mean a-b or a_b") {
		t.Errorf("%v", p)
	}
}

func TestAVariableAndOneInsideOfItThatDoNotFitAreRefused(t *testing.T) {
	p := problems(t, config.Options{Path: write(t, twoServices), Environ: []string{
		"ORCH_SERVICES__LOGS_PIPELINE__PARAMS__X=1", "ORCH_SERVICES__LOGS_PIPELINE__PARAMS__X__Y=2",
	}})
	if len(p) != 1 || p[0].File != "ORCH_SERVICES__LOGS_PIPELINE__PARAMS__X__Y" {
		t.Errorf("%v", p)
	}
}

func TestVariablesThatAreNoSettingsAndEmptyOnesAreIgnored(t *testing.T) {
	c, err := config.Load(config.Options{
		Path:      write(t, "host.name = 'here'"),
		Environ:   []string{"ORCH_SPECS=1", "ORCH_HOST__NAME=", "ORCH_TEST_X=1", "ORCHESTRA=1", "TEMPORAL_ADDRESS=t:1"},
		IgnoreEnv: []string{"ORCH_TEST_*"},
	})
	if err != nil || c.Host.Name != "here" || c.Temporal.Address != "localhost:7233" {
		t.Errorf("%v, %v", c, err)
	}
}

func TestSetReachesAnySettingByItsKeyPath(t *testing.T) {
	c, err := config.Load(config.Options{Path: write(t, twoServices), Environ: []string{}, Flags: flags(t,
		"--set", "services.logs-pipeline.max_concurrency=4", "--set", `services.logs-pipeline.params."a.b"=x=y`, "--set=plugins.chat.version=~1")})
	if err != nil {
		t.Fatal(err)
	}
	s := c.Services["logs-pipeline"]
	if s.MaxConcurrency != 4 || s.Params["a.b"] != "x=y" || c.Plugins.Groups["chat"].Version != "~1" {
		t.Errorf("%+v", c)
	}
	if got := c.Origin("services.logs-pipeline.max_concurrency"); got != "--set services.logs-pipeline.max_concurrency" {
		t.Error(got)
	}
}

func TestAWrongSetSaysWhatWasExpected(t *testing.T) {
	for set, want := range map[string]string{
		"host.log_level":        `--set: expected path=value, found "host.log_level"`,
		"host.log_levl=debug":   `--set host.log_levl: host.log_levl: unknown key; did you mean "log_level"?`,
		"host=x":                `--set host: host: is a table, not a setting`,
		"a b=c":                 `--set a b: "a b" is not a key path`,
		"host.log_level=louder": `--set host.log_level: host.log_level: expected one of`,
	} {
		p := problems(t, config.Options{Path: write(t, ""), Flags: flags(t, "--set", set)})
		if len(p) != 1 || !strings.HasPrefix(p.Error(), want) {
			t.Errorf("got  %v\nwant %s", p, want)
		}
	}
}

func TestACommandCanAddFlagsOfItsOwn(t *testing.T) {
	fs := pflag.NewFlagSet("host", pflag.ContinueOnError)
	fs.StringSlice("label", nil, "")
	fs.Int("unrelated", 0, "")
	if err := fs.SetAnnotation("label", config.FlagKey, []string{"host.labels"}); err != nil {
		t.Fatal(err)
	}
	if err := fs.Parse([]string{"--label=a", "--label=b", "--unrelated=3"}); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(config.Options{Path: write(t, "host.labels = ['x', 'y', 'z']"), Environ: []string{}, Flags: fs})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b"}, c.Host.Labels); diff != "" {
		t.Error(diff)
	}
	if c.IsSet("host.labels[2]") {
		t.Error("the list of the file is replaced as a whole, so its third element is gone")
	}
}

func TestTheHelpOfAFlagNamesItsValuesAndItsKey(t *testing.T) {
	got := flags(t).Lookup("plugin-mode").Usage
	if want := "strict|warn|off: What happens to a binary that the lock file does not hold [plugins.mode]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
