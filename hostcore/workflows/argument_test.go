package workflows

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"

	"github.com/orch-host/orch/hostcore/progress"
)

func TestParamsReachActivitiesWithoutLoss(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []any
		want string
	}{
		{"an object, numbers and key order as written", []any{json.RawMessage(`{"z":1e20,"a":12345678901234567890,"f":1.0}`)}, `{"z":1e20,"a":12345678901234567890,"f":1.0}`},
		{"an object beside an argument nobody asked for", []any{json.RawMessage(`{"a":1}`), "extra"}, `{"a":1}`},
		{"null", []any{nil}, "null"},
		{"nothing at all", nil, "null"},
		{"a string", []any{"demo"}, `"demo"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := (&world{}).run(t, "LogsPipelineWorkflow", tc.args...)
			if o.Err != nil {
				t.Fatal(o.Err)
			}
			for _, c := range o.Calls {
				if diff := cmp.Diff([]string{tc.want}, c.Args); diff != "" {
					t.Errorf("%s (-want +got):\n%s", c.Activity, diff)
				}
			}
		})
	}
}

func TestParamsEncodedByACodecAreReadAndPassedOn(t *testing.T) {
	codec := converter.NewCodecDataConverter(converter.GetDefaultDataConverter(),
		converter.NewZlibCodec(converter.ZlibCodecOptions{AlwaysEncode: true}))
	w := &world{prepare: func(env *testsuite.TestWorkflowEnvironment) { env.SetDataConverter(codec) }}
	w.answers = map[string]any{"start_prometheus_container": "true", "start_grafana_container": "true"}
	o := w.run(t, "MetricsPipelineWorkflow", json.RawMessage(`{"service_name":"m","limit":1e20}`))
	if o.Err != nil || IsFailure(o.Result) {
		t.Fatalf("result %q, error %v", o.Result, o.Err)
	}
	for _, c := range o.Calls {
		if diff := cmp.Diff([]string{`{"service_name":"m","limit":1e20}`}, c.Args); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.Activity, diff)
		}
	}
}

func TestAServiceNameIsAStringOrAnObject(t *testing.T) {
	for _, tc := range []struct{ name, arg, want string }{
		{"a string stays one", `"graph"`, `"graph"`},
		{"an object with nothing else becomes the string", `{"service_name":"graph"}`, `"graph"`},
		{"an object with settings is passed whole", `{"service_name":"graph","port":7687}`, `{"service_name":"graph","port":7687}`},
		{"null stays null", `null`, `null`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := (&world{}).run(t, "DatabasePipelineWorkflow", json.RawMessage(tc.arg))
			if o.Err != nil {
				t.Fatal(o.Err)
			}
			for _, c := range o.Calls {
				if diff := cmp.Diff([]string{tc.want}, c.Args); diff != "" {
					t.Errorf("%s (-want +got):\n%s", c.Activity, diff)
				}
			}
		})
	}
}

func TestPositionalArgumentsMayComeAsOneObject(t *testing.T) {
	container := []string{`"t.yaml"`, `["/var/log/a","/var/log/b"]`, `"web"`, `"http://loki:3100"`}
	otlp := []string{`"t.yaml"`, `"web"`, `"http://otel:4318"`}
	raw := func(args ...string) []any {
		out := make([]any, len(args))
		for i, a := range args {
			out[i] = json.RawMessage(a)
		}
		return out
	}
	for _, tc := range []struct {
		name, workflow, activity string
		args                     []any
		want                     []string
	}{
		{"four by place", "ContainerLogsIngestWorkflow", "generate_and_validate_config_activity", raw(container...), container},
		{"four by name", "ContainerLogsIngestWorkflow", "generate_and_validate_config_activity",
			raw(`{"loki_endpoint":"http://loki:3100","template_path":"t.yaml","other":1,"service_name":"web","log_paths":["/var/log/a","/var/log/b"]}`), container},
		{"a key left out is null", "ContainerLogsIngestWorkflow", "generate_and_validate_config_activity",
			raw(`{"template_path":"t.yaml","log_paths":[]}`), []string{`"t.yaml"`, `[]`, "null", "null"}},
		{"null in a place is passed on", "ContainerLogsIngestWorkflow", "generate_and_validate_config_activity",
			raw(`"t.yaml"`, `null`, `"web"`, `null`), []string{`"t.yaml"`, "null", `"web"`, "null"}},
		{"nothing at all is null in each place", "ContainerLogsIngestWorkflow", "generate_and_validate_config_activity",
			nil, []string{"null", "null", "null", "null"}},
		{"three by place", "OtlpFromAppsIngestWorkflow", "enable_otlp_receiver_activity", raw(otlp...), otlp},
		{"three by name", "OtlpFromAppsIngestWorkflow", "enable_otlp_receiver_activity",
			raw(`{"otlp_endpoint":"http://otel:4318","template_path":"t.yaml","service_name":"web"}`), otlp},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := (&world{}).run(t, tc.workflow, tc.args...)
			if o.Err != nil {
				t.Fatal(o.Err)
			}
			if diff := cmp.Diff(tc.want, o.args(t, tc.activity)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTooFewPositionalArgumentsAreRefusedByName(t *testing.T) {
	o := (&world{}).run(t, "ContainerLogsIngestWorkflow", "t.yaml", []string{"/var/log"})
	text := failure(t, o.Err)
	for _, want := range []string{"template_path, log_paths, service_name, loki_endpoint", "service_name is missing"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q does not tell %q", text, want)
		}
	}
	if len(o.Calls) != 0 {
		t.Errorf("activities were called: %v", o.asked())
	}
}

func TestTheFirstResultIsTheSecondActivitysArgument(t *testing.T) {
	for _, tc := range []struct{ workflow, first, second string }{
		{"ContainerLogsIngestWorkflow", "generate_and_validate_config_activity", "push_and_reload_activity"},
		{"OtlpFromAppsIngestWorkflow", "enable_otlp_receiver_activity", "collect_and_route_otlp_activity"},
	} {
		t.Run(tc.workflow, func(t *testing.T) {
			o := (&world{answers: map[string]any{tc.first: `"receivers: {}\n"`}}).run(t, tc.workflow)
			if diff := cmp.Diff([]string{`"receivers: {}\n"`}, o.args(t, tc.second)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMetricsAndTracingValidateTheirParams(t *testing.T) {
	const invalid, nameless = "Error: Invalid params provided", "Error: service_name is required and must be string"
	for _, name := range []string{"MetricsPipelineWorkflow", "TracingPipelineWorkflow"} {
		for _, tc := range []struct{ arg, want string }{
			{`null`, invalid}, {`"demo"`, invalid}, {`[1]`, invalid}, {`3`, invalid}, {`true`, invalid},
			{`{}`, nameless}, {`{"service_name":7}`, nameless}, {`{"service_name":null}`, nameless}, {`{"service_name":""}`, nameless},
		} {
			t.Run(name+"/"+tc.arg, func(t *testing.T) {
				o := (&world{}).run(t, name, json.RawMessage(tc.arg))
				wantText(t, o, tc.want)
				if len(o.Calls) != 0 {
					t.Errorf("activities were called: %v", o.asked())
				}
				if o.Progress.State != progress.Failed || o.Progress.Result != tc.want {
					t.Errorf("progress: %+v", o.Progress)
				}
			})
		}
		t.Run(name+"/nothing at all", func(t *testing.T) { wantText(t, (&world{}).run(t, name), invalid) })
	}
}

func TestParamsThatAreNoObjectAreRefusedWhereTheyAreRead(t *testing.T) {
	for _, name := range []string{"ChatSetupWorkflow", "FlyioDeploymentWorkflow", "RailwayDeploymentWorkflow", "RenderDeploymentWorkflow", "run_logs_pipeline_then_stdout_ingest"} {
		t.Run(name, func(t *testing.T) {
			o := (&world{}).run(t, name, []string{"a"})
			if text := failure(t, o.Err); text != name+" takes one object of params, got an array" {
				t.Errorf("got %q", text)
			}
			if len(o.Calls) != 0 {
				t.Errorf("activities were called: %v", o.asked())
			}
		})
	}
}

func TestFalsyIsNothingNullFalseEmptyOrZero(t *testing.T) {
	for _, tc := range []struct {
		json string
		want bool
	}{
		{"", true}, {"null", true}, {"false", true}, {`""`, true}, {"0", true}, {"-0", true}, {"0.0", true}, {"0e5", true},
		{"{}", true}, {"[]", true}, {"{ }", true}, {" [\n] ", true},
		{"true", false}, {`" "`, false}, {`"0"`, false}, {"1", false}, {"-1", false}, {"0.1", false}, {"1e20", false},
		{`{"a":null}`, false}, {"[0]", false}, {"[[]]", false},
	} {
		if got := falsy(json.RawMessage(tc.json)); got != tc.want {
			t.Errorf("falsy(%s) = %v", tc.json, got)
		}
	}
}

func TestAFalsyStepIsToldByTheResult(t *testing.T) {
	for _, tc := range []struct{ workflow, step, want string }{
		{"MetricsPipelineWorkflow", "start_prometheus_container", "Error: Failed to start Prometheus container"},
		{"MetricsPipelineWorkflow", "start_grafana_container", "Error: Failed to start Grafana container"},
		{"TracingPipelineWorkflow", "start_jaeger_container", "Error: Failed to start Jaeger container"},
		{"TracingPipelineWorkflow", "start_grafana_container", "Error: Failed to start Grafana container"},
		{"ApplicationStdoutIngestWorkflow", "logs_configure_activity", "configuration failed"},
	} {
		for _, falsy := range []string{"null", "false", `""`, "0", "{}", "[]"} {
			t.Run(tc.workflow+"/"+tc.step+"="+falsy, func(t *testing.T) {
				answers := map[string]any{"start_prometheus_container": "true", "start_jaeger_container": "true", "start_grafana_container": "true"}
				answers[tc.step] = falsy
				o := (&world{answers: answers}).run(t, tc.workflow, map[string]any{"service_name": "demo"})
				wantText(t, o, tc.want)
				if asked := o.asked(); asked[len(asked)-1] != tc.step {
					t.Errorf("the run went on after it: %v", asked)
				}
			})
		}
	}
}

func TestAPayloadThatIsNoJSONIsJudgedByItsBytes(t *testing.T) {
	binary := func(encoding, data string) value {
		return value{converter.NewRawValue(&commonpb.Payload{
			Metadata: map[string][]byte{converter.MetadataEncoding: []byte(encoding)}, Data: []byte(data),
		})}
	}
	for _, tc := range []struct {
		name    string
		v       value
		falsy   bool
		missing bool
		kind    string
	}{
		{"no payload", value{}, true, true, "null"},
		{"the null of Go and Python", binary("binary/null", ""), true, true, "null"},
		{"empty bytes", binary("binary/plain", ""), true, false, `a payload encoded as "binary/plain"`},
		{"bytes", binary("binary/plain", "x"), false, false, `a payload encoded as "binary/plain"`},
		{"a payload the host has no key for", binary("binary/encrypted", "x"), false, false, `a payload encoded as "binary/encrypted"`},
		{"a protobuf message in JSON", binary("json/protobuf", `{"a":1}`), false, false, "an object"},
		{"an empty protobuf message", binary("json/protobuf", `{}`), true, false, "an object"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.v.falsy() != tc.falsy || tc.v.missing() != tc.missing || tc.v.kind() != tc.kind {
				t.Errorf("falsy %v, missing %v, kind %s", tc.v.falsy(), tc.v.missing(), tc.v.kind())
			}
		})
	}
}
