package workflows

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStdoutIngestShipsWhatItFound(t *testing.T) {
	for _, tc := range []struct {
		name                         string
		conf, files, docker, labeled string
		shipped                      string
		enrichArg, shipArg, result   string
	}{
		{
			name: "duplicates dropped, sorted, labels of the first",
			conf: `{"labels":{"env":"dev"}}`, files: `["/b","/a"]`, docker: `["/c","/b"]`,
			labeled:   `[{"path":"/a","labels":{"job":"a"}},{"path":"/b","labels":{"job":"b"}},{"path":"/c"}]`,
			shipped:   `{"status":"shipping"}`,
			enrichArg: `{"files":["/a","/b","/c"],"labels":{"env":"dev"}}`,
			shipArg:   `{"batch_size":100,"endpoint":"http://localhost:4318","files":["/a","/b","/c"],"flush_interval_seconds":5,"labels":{"job":"a"},"protocol":"otlp","timeout_seconds":10}`,
			result:    "ingest started: discovered=3 enriched=3 status=shipping",
		},
		{
			name: "endpoint and sizes of the configuration, its labels when the first has none",
			conf: `{"labels":{"env":"dev"},"endpoint":"http://otel:4318","batch_size":7,"flush_interval_seconds":0.5}`, files: `["/a"]`, docker: `[]`,
			labeled: `[{"path":"/a","labels":{}}]`, shipped: `"ok"`,
			enrichArg: `{"files":["/a"],"labels":{"env":"dev"}}`,
			shipArg:   `{"batch_size":7,"endpoint":"http://otel:4318","files":["/a"],"flush_interval_seconds":0.5,"labels":{"env":"dev"},"protocol":"otlp","timeout_seconds":10}`,
			result:    "ingest started: discovered=1 enriched=1 status=ok",
		},
		{
			name: "nothing discovered is no error",
			conf: `{"mode":"x"}`, files: `[]`, docker: `null`, labeled: `[]`, shipped: `{"status":"idle"}`,
			enrichArg: `{"files":[],"labels":{}}`,
			shipArg:   `{"batch_size":100,"endpoint":"http://localhost:4318","files":[],"flush_interval_seconds":5,"labels":{},"protocol":"otlp","timeout_seconds":10}`,
			result:    "ingest started: discovered=0 enriched=0 status=idle",
		},
		{
			name: "files told as objects keep what is said about them",
			conf: `{"labels":{}}`, files: `[{"path":"/b","size":1e3}]`, docker: `[{"path":"/a","container":"web"},{"path":"/b"}]`,
			labeled: `["/a","/b"]`, shipped: `{}`,
			enrichArg: `{"files":[{"path":"/a","container":"web"},{"path":"/b","size":1e3}],"labels":{}}`,
			shipArg:   `{"batch_size":100,"endpoint":"http://localhost:4318","files":["/a","/b"],"flush_interval_seconds":5,"labels":{},"protocol":"otlp","timeout_seconds":10}`,
			result:    "ingest started: discovered=2 enriched=2 status=unknown",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := (&world{answers: map[string]any{
				"logs_configure_activity": tc.conf, "discover_log_files_activity": tc.files, "discover_docker_logs_activity": tc.docker,
				"label_enrichment_activity": tc.labeled, "tail_and_ship_logs_activity": tc.shipped,
			}}).run(t, "ApplicationStdoutIngestWorkflow", json.RawMessage(`{"root":"/var/log"}`))
			if o.Err != nil || o.Result != tc.result {
				t.Errorf("result %q, error %v, want %q", o.Result, o.Err, tc.result)
			}
			for activity, want := range map[string]string{
				"logs_configure_activity": `{"root":"/var/log"}`, "add_loki_datasource_activity": `{"root":"/var/log"}`,
				"discover_log_files_activity": tc.conf, "discover_docker_logs_activity": tc.conf,
				"label_enrichment_activity": tc.enrichArg, "tail_and_ship_logs_activity": tc.shipArg,
			} {
				if diff := cmp.Diff([]string{want}, o.args(t, activity)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", activity, diff)
				}
			}
		})
	}
}
