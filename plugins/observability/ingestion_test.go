package observability

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

func config(t *testing.T, text string) object {
	t.Helper()
	var o object
	if err := yaml.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func ingest(t *testing.T, name, text string) ingestion {
	t.Helper()
	in, err := parseIngestion(ingestHead + name + "\n" + text)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func TestIngestsAreMergedIntoTheGeneratedConfiguration(t *testing.T) {
	base := config(t, "exporters: {a: {x: 1}}\nservice: {extensions: [health], pipelines: {logs: {receivers: [otlp]}}}")
	err := mergeIngests(base, []ingestion{
		ingest(t, "one", "exporters: {a: {x: 2}}\nservice: {extensions: [mine], pipelines: {logs/one: {receivers: [f]}}}"),
		ingest(t, "two", "exporters: {a: {y: 3}}\nservice: {extensions: [mine]}"),
	})
	want := config(t, "exporters: {a: {x: 2, y: 3}}\nservice: {pipelines: {logs: {receivers: [otlp]}, logs/one: {receivers: [f]}}}")
	want["service"].(object)["extensions"] = []string{"health", "mine"}
	if diff := cmp.Diff(want, base); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestTwoServicesThatDifferAboutTheSameThingAreTold(t *testing.T) {
	err := mergeIngests(object{}, []ingestion{ingest(t, "one", "receivers: {filelog: {include: [/a/*]}}"), ingest(t, "two", "receivers: {filelog: {include: [/b/*]}}")})
	if err == nil || !strings.Contains(err.Error(), "service two and another one ask the collector for different receivers.filelog.include") {
		t.Errorf("error %v", err)
	}
}

func TestAnAttemptAfterOneThatWasKilledTakesBackToWhatWasThereBefore(t *testing.T) {
	one, two := ingest(t, "shop", "a: 1\n"), ingest(t, "shop", "a: 2\n")
	for name, before := range map[string]*ingestion{"another piece": &one, "nothing": nil} {
		t.Run(name, func(t *testing.T) {
			state := t.TempDir()
			want := ""
			if before != nil {
				end, err := before.keep(state)
				if err != nil {
					t.Fatal(err)
				}
				if err := end(true); err != nil {
					t.Fatal(err)
				}
				want = before.text
			}
			if _, err := two.keep(state); err != nil { // and is killed
				t.Fatal(err)
			}
			end, err := two.keep(state)
			if err != nil {
				t.Fatal(err)
			}
			if err := end(false); err != nil {
				t.Fatal(err)
			}
			all, err := loadIngests(state)
			got := ""
			for _, in := range all {
				got += in.text
			}
			if err != nil || got != want {
				t.Errorf("%q, %v, want %q", got, err, want)
			}
			if left, _ := filepath.Glob(filepath.Join(ingestFolder(state), "*.before")); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestTheFoldersOfFileReceiversAreFound(t *testing.T) {
	for _, tt := range []struct {
		include, want string
		fails         bool
	}{
		{`["/var/log/app/*.log", "/var/log/app/deep/x.log", "/srv/{a,b}/y.log"]`, "/srv /var/log/app", false},
		{`["/var/lib/docker/containers/*/*-json.log"]`, "/var/lib/docker/containers", false},
		{`["/var/log/app-*.log"]`, "/var/log", false},
		{`"/one/file.log"`, "", false}, // not a list: the collector refuses it
		{`["*.log"]`, "", true},
		{`["/*.log"]`, "", true},
	} {
		got, err := readFolders(config(t, "receivers: {filelog/x: {include: "+tt.include+"}, otlp: {}}"))
		if strings.Join(got, " ") != tt.want || (err != nil) != tt.fails {
			t.Errorf("%s: %q, %v", tt.include, got, err)
		}
	}
}

func TestTemplatesTakeValuesInBothNotationsAndNameTheLineOfAMistake(t *testing.T) {
	dir := t.TempDir()
	file := func(text string) string {
		path := filepath.Join(dir, "t.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	values := map[string]any{"service_name": "shop", "log_paths": []string{"/a", "/b"}}
	got, err := render(file("x: {{ service_name }}\ny: {{ .service_name }}\nz: {{ json .log_paths }}\n"), "", values)
	if want := "x: shop\ny: shop\nz: [\"/a\",\"/b\"]\n"; got != want || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for text, want := range map[string]string{
		"a: 1\nb: {{ .nothing }}\n": "t.yaml:2:",
		"a: 1\n\nb: {{ nothing }}":  "t.yaml:3:",
		"a: {{ if }}":               "t.yaml:1:",
		"a: b: c\n":                 "t.yaml, filled in, does not give YAML: line 1",
	} {
		if _, err := render(file(text), "", values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
	if _, err := render(filepath.Join(dir, "none"), "", values); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a missing file: %v", err)
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add("a: {{ .service_name }}")
	f.Add("{{ range .log_paths }}- {{ . }}\n{{ end }}")
	f.Add("{{ template \"x\" }}")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(dir, "t")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := render(path, "", map[string]any{"service_name": "s", "log_paths": []string{"/x"}})
		if err == nil {
			if _, err := parseIngestion(ingestHead + "s\n" + out); err != nil {
				t.Errorf("rendered, and cannot be read again: %v\n%s", err, out)
			}
		}
	})
}

func TestLokiIsAddressedAsTheCollectorReachesIt(t *testing.T) {
	for given, want := range map[string]string{
		"":                                          "",
		"http://localhost:3100":                     "http://loki:3100/otlp",
		"http://127.0.0.1:3100/loki/api/v1/push":    "http://loki:3100/otlp",
		"http://localhost:3111/otlp":                "http://host.docker.internal:3111/otlp",
		"https://logs.example.com/otlp":             "https://logs.example.com/otlp",
		"https://logs.example.com/loki/api/v1/push": "https://logs.example.com/otlp",
	} {
		if got, err := (Config{}).lokiEndpoint(given); got != want || err != nil {
			t.Errorf("%q: %q, %v, want %q", given, got, err, want)
		}
	}
	if _, err := (Config{}).lokiEndpoint("loki:3100"); err == nil {
		t.Error("an address without a scheme was accepted")
	}
}

func TestAnEndpointThatTheCollectorDoesNotListenOnIsRefused(t *testing.T) {
	c := Config{Collector: CollectorConfig{HTTPPort: 14318}}
	for endpoint, ok := range map[string]bool{"http://localhost:14318": true, "localhost:4317": true, "http://localhost:4318": false, "nonsense": false} {
		if err := c.checkOTLP(endpoint); (err == nil) != ok {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}

func TestTheStackIsReachedWhereItsPortsAreBound(t *testing.T) {
	for bind, want := range map[string]string{
		"": "http://localhost:3100", "127.0.0.1": "http://localhost:3100", "0.0.0.0": "http://localhost:3100", "::": "http://localhost:3100",
		"192.0.2.7": "http://192.0.2.7:3100", "::1": "http://[::1]:3100",
	} {
		c := Config{Bind: bind}
		if got := outsideStack(c)["loki"]; got != want {
			t.Errorf("bound to %q: Loki is asked at %s, want %s", bind, got, want)
		}
		if api, err := c.grafanaAPI(t.Context()); err != nil || api.base != strings.Replace(want, "3100", "3000", 1) {
			t.Errorf("bound to %q: Grafana is asked at %s, %v", bind, api.base, err)
		}
	}
}

func TestLokiWithoutIndexLabelsOfOursIsNotGivenAnEmptyList(t *testing.T) {
	for _, labels := range [][]string{{}, {"service.name"}} {
		limits := Config{Loki: LokiConfig{Labels: labels}}.lokiConfig()["limits_config"].(object)
		if got, there := limits["otlp_config"]; there { // "attributes or regex must be set", says Loki, and ends
			t.Errorf("labels %q: %v", labels, got)
		}
	}
	if _, there := (Config{}).lokiConfig()["limits_config"].(object)["otlp_config"]; !there {
		t.Error("the default labels are not asked for")
	}
}
