package pipeline

import (
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/orch-host/orch/hostcore/workflows"
)

// builtIn lets the built-in workflows run in the same world as the declared ones.
func builtIn(r Registrar) { workflows.Register(r.(workflows.Registry), workflows.Options{}) }

// contract is a case of the contract that a shipped definition must answer as its built-in workflow does.
type contract struct {
	name     string
	declared string
	builtIn  string
	args     []any
	answers  map[string]any
	result   string // of the contract's row
	steps    []string
}

func contracts() []contract {
	named := map[string]any{"service_name": "demo", "port": 3000}
	database := contract{declared: "database", builtIn: "DatabasePipelineWorkflow",
		steps: []string{"start_neo4j_container", "start_qdrant_container"}, result: "Database pipeline fully configured: Neo4j + Qdrant"}
	metrics := contract{declared: "metrics", builtIn: "MetricsPipelineWorkflow", args: []any{named},
		steps:   []string{"start_prometheus_container", "start_grafana_container"},
		answers: map[string]any{"start_prometheus_container": "true", "start_grafana_container": `{"id":"g"}`},
		result:  "Metrics pipeline fully configured: Prometheus + Grafana + Dashboard"}
	ingest := contract{declared: "stdout_ingest", builtIn: "ApplicationStdoutIngestWorkflow", args: []any{named},
		steps: []string{"logs_configure_activity", "add_loki_datasource_activity", "discover_log_files_activity",
			"discover_docker_logs_activity", "label_enrichment_activity", "tail_and_ship_logs_activity"},
		answers: map[string]any{
			"logs_configure_activity": `{"labels":{"env":"dev"}}`, "discover_log_files_activity": `["/b","/a"]`,
			"discover_docker_logs_activity": `["/b","/c"]`, "tail_and_ship_logs_activity": `{"status":"shipping"}`,
			"label_enrichment_activity": `[{"path":"/a","labels":{"x":"1"}},{"path":"/b"}]`,
		},
		result: "ingest started: discovered=3 enriched=2 status=shipping"}
	but := func(c contract, name string, change func(*contract)) contract {
		c.name, c.answers = name, maps.Clone(c.answers)
		if c.answers == nil {
			c.answers = map[string]any{}
		}
		change(&c)
		return c
	}
	return []contract{
		but(database, "databases come up for a plain name", func(c *contract) { c.args = []any{"demo"} }),
		but(database, "databases come up for an object that holds the name", func(c *contract) {
			c.args = []any{map[string]any{"service_name": "demo"}}
		}),
		but(database, "databases get an object with settings whole", func(c *contract) { c.args = []any{named} }),
		but(database, "databases come up without an argument", func(c *contract) { c.args = []any{nil} }),
		but(database, "a database that does not start fails the run", func(c *contract) {
			c.args, c.answers["start_qdrant_container"], c.result = []any{"demo"}, errBroken, ""
		}),
		but(metrics, "metrics come up", func(c *contract) {}),
		but(metrics, "metrics refuse an argument that is no object", func(c *contract) {
			c.args, c.steps, c.result = []any{"demo"}, nil, "Error: Invalid params provided"
		}),
		but(metrics, "metrics refuse a missing argument", func(c *contract) {
			c.args, c.steps, c.result = []any{nil}, nil, "Error: Invalid params provided"
		}),
		but(metrics, "metrics refuse params without a service name", func(c *contract) {
			c.args, c.steps, c.result = []any{map[string]any{"port": 1}}, nil, "Error: service_name is required and must be string"
		}),
		but(metrics, "metrics refuse a service name that is a number", func(c *contract) {
			c.args, c.steps, c.result = []any{map[string]any{"service_name": 7}}, nil, "Error: service_name is required and must be string"
		}),
		but(metrics, "metrics refuse an empty service name", func(c *contract) {
			c.args, c.steps, c.result = []any{map[string]any{"service_name": ""}}, nil, "Error: service_name is required and must be string"
		}),
		but(metrics, "a Prometheus that answers null is a failed start", func(c *contract) {
			c.answers["start_prometheus_container"], c.steps = "null", c.steps[:1]
			c.result = "Error: Failed to start Prometheus container"
		}),
		but(metrics, "a Prometheus that answers an empty object is a failed start", func(c *contract) {
			c.answers["start_prometheus_container"], c.steps = "{}", c.steps[:1]
			c.result = "Error: Failed to start Prometheus container"
		}),
		but(metrics, "a Grafana that answers false is a failed start", func(c *contract) {
			c.answers["start_grafana_container"], c.result = "false", "Error: Failed to start Grafana container"
		}),
		but(metrics, "a failure becomes the result", func(c *contract) {
			c.answers["start_grafana_container"], c.result = errBroken, "Error: Metrics pipeline failed: docker is not running"
		}),
		but(metrics, "a failure after three attempts becomes the result", func(c *contract) {
			c.answers["start_prometheus_container"], c.steps = temporal.NewApplicationError("port taken", "Busy"), c.steps[:1]
			c.result = "Error: Metrics pipeline failed: port taken"
		}),
		but(ingest, "logs are found, labelled and shipped", func(c *contract) {}),
		but(ingest, "an empty configuration ends the ingest", func(c *contract) {
			c.answers["logs_configure_activity"], c.steps, c.result = "{}", c.steps[:1], "configuration failed"
		}),
		but(ingest, "nothing discovered is not an error", func(c *contract) {
			c.answers["discover_log_files_activity"], c.answers["discover_docker_logs_activity"] = "[]", "null"
			c.answers["label_enrichment_activity"] = "[]"
			c.result = "ingest started: discovered=0 enriched=0 status=shipping"
		}),
		but(ingest, "endpoint and sizes come from the configuration", func(c *contract) {
			c.answers["logs_configure_activity"] = `{"endpoint":"http://otel:4318","batch_size":7,"flush_interval_seconds":2.5}`
		}),
		but(ingest, "logs may be objects with a path, and the shipper may answer a text", func(c *contract) {
			c.answers["discover_log_files_activity"] = `[{"path":"/b","inode":5},{"path":"/a"}]`
			c.answers["discover_docker_logs_activity"] = `[{"path":"/b","container":"x"}]`
			c.answers["tail_and_ship_logs_activity"] = `"running"`
			c.result = "ingest started: discovered=2 enriched=2 status=running"
		}),
		but(ingest, "a shipper that says nothing has an unknown status", func(c *contract) {
			c.answers["tail_and_ship_logs_activity"] = "{}"
			c.result = "ingest started: discovered=3 enriched=2 status=unknown"
		}),
	}
}

func TestDeclaredPipelinesDoWhatTheBuiltInWorkflowsDo(t *testing.T) {
	for _, c := range contracts() {
		t.Run(c.name, func(t *testing.T) {
			want := (&world{register: builtIn, answers: c.answers}).run(t, c.builtIn, c.args...)
			got := (&world{register: declared(t, example(t, c.declared)), answers: c.answers}).run(t, "pipeline/"+c.declared, c.args...)
			if (want.Err == nil) != (got.Err == nil) {
				t.Fatalf("built-in ended with %v, declared with %v", want.Err, got.Err)
			}
			if got.Err != nil {
				wantKind, wantText := want.failed(t)
				if kind, text := got.failed(t); kind != wantKind || text != wantText {
					t.Errorf("declared failed with %s: %s, built-in with %s: %s", kind, text, wantKind, wantText)
				}
			} else if got.Result != c.result || want.Result != c.result {
				t.Errorf("declared: %q, built-in: %q, contract: %q", got.Result, want.Result, c.result)
			}
			if diff := cmp.Diff(append([]string{}, c.steps...), got.asked()); diff != "" {
				t.Errorf("steps (-contract +declared):\n%s", diff)
			}
			if diff := cmp.Diff(want.Timers, got.Timers); diff != "" {
				t.Errorf("sleeps (-built-in +declared):\n%s", diff)
			}
			if diff := cmp.Diff(normalCalls(t, want.Calls), normalCalls(t, got.Calls)); diff != "" {
				t.Errorf("activity calls (-built-in +declared):\n%s", diff)
			}
			if diff := cmp.Diff(normalOptions(want.Options), normalOptions(got.Options)); diff != "" {
				t.Errorf("activity options (-built-in +declared):\n%s", diff)
			}
			if got.Progress.State != want.Progress.State && c.result != "configuration failed" {
				t.Errorf("progress: declared is %s, built-in is %s", got.Progress.State, want.Progress.State)
			}
			if diff := cmp.Diff(want.states(), got.states()); diff != "" {
				t.Errorf("progress of the steps (-built-in +declared):\n%s", diff)
			}
		})
	}
}

// normalCalls rewrites arguments so that the order of keys does not matter.
func normalCalls(t *testing.T, calls []call) []call {
	t.Helper()
	out := make([]call, len(calls))
	for i, c := range calls {
		out[i] = call{Activity: c.Activity, Attempt: c.Attempt}
		for _, a := range c.Args {
			v, err := decodeJSON([]byte(a))
			if err != nil {
				t.Fatalf("argument of %s: %v", c.Activity, err)
			}
			out[i].Args = append(out[i].Args, canonical(v))
		}
	}
	return out
}

// normalOptions writes out what a retry policy leaves to the server's defaults, and drops the texts for the Web UI.
func normalOptions(options []workflow.ActivityOptions) []workflow.ActivityOptions {
	out := make([]workflow.ActivityOptions, len(options))
	for i, o := range options {
		p := *o.RetryPolicy
		if p.InitialInterval == 0 {
			p.InitialInterval = time.Second
		}
		if p.BackoffCoefficient == 0 {
			p.BackoffCoefficient = 2
		}
		if p.MaximumInterval == 0 {
			p.MaximumInterval = 100 * p.InitialInterval
		}
		o.RetryPolicy, o.Summary = &p, ""
		out[i] = o
	}
	return out
}
