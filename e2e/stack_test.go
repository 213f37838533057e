package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
)

// stackImages are those of the components, by their configuration table.
var stackImages = map[string]string{
	"collector": "orch/otelcol:0.155.0", "loki": "orch/loki:3.7.8", "prometheus": "orch/prometheus:3.16.0", "jaeger": "orch/jaeger:1.76.0",
	"grafana": "orch/standin-grafana:12", "promtail": "orch/standin-promtail:3",
}

// stack is a host with the observability plugin and the three pipelines.
type stack struct {
	*rig
	docker *client.Client
	ports  map[string]int // by component; collector: OTLP over HTTP
}

// newStack makes one; more is TOML below [plugins.observability.config], such
// as "loki.retention = '1d'".
func newStack(t *testing.T, docker *client.Client, host string, more ...string) *stack {
	t.Helper()
	s := &stack{docker: docker, ports: map[string]int{}}
	config := ""
	for name, image := range stackImages {
		if _, err := docker.ImageInspect(t.Context(), image); err != nil {
			if os.Getenv("CI") == "" {
				t.Skipf("image %s is not here: \"make -C images components\" builds it (%v)", image, err)
			}
			t.Fatalf("image %s is missing: make images (%v)", image, err)
		}
		s.ports[name] = freePort(t)
		key := map[string]string{"collector": "http_port"}[name]
		if key == "" {
			key = "port"
		}
		config += fmt.Sprintf("%s.image = %q\n", name, image)
		if name != "promtail" {
			config += fmt.Sprintf("%s.%s = %d\n", name, key, s.ports[name])
		}
	}
	s.rig = newRig(t, []string{bin("plugins", "observability")}, fmt.Sprintf(`
[plugins.observability.config]
docker.host = %q
ingest.endpoint = "http://localhost:%d"
stack = "{service}"
collector.grpc_port = %d
prometheus.scrape_interval = "1s"
%s
%s

[services.logs]
workflow = "LogsPipelineWorkflow"
[services.metrics]
workflow = "MetricsPipelineWorkflow"
params = { service_name = "metrics" }
[services.tracing]
workflow = "TracingPipelineWorkflow"
params = { service_name = "tracing" }
[services.grafana]
pipeline = "grafana"
[services.ingest]
workflow = "ApplicationStdoutIngestWorkflow"
params = { containers = ["{service}-app-*"] }
`, host, s.ports["collector"], freePort(t), config, strings.Join(more, "\n")))
	if err := os.Mkdir(filepath.Join(s.dir, "pipelines"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(s.dir, "pipelines", "grafana.yaml"), 0o644, `
name: grafana
steps:
  - activity: configure_grafana_activity
    save: grafana
result: "changed: ${{ vars.grafana.changed }}"
`)
	s.env = append(s.env, fmt.Sprintf("ORCH_HOST__OTLP_ENDPOINT=http://127.0.0.1:%d", s.ports["collector"]))
	t.Cleanup(func() { s.removeContainers(docker) })
	return s
}

func (s *stack) url(component string) string {
	return fmt.Sprintf("http://127.0.0.1:%d", s.ports[component])
}

// activity runs one activity of the plugin alone.
func (s *stack) activity(name string) {
	s.t.Helper()
	s.expect(0, "plugin", "run", filepath.Join(s.plugins, "observability"), name)
}

// components maps the stack's containers to their ids and checks that they are
// these, running.
func (s *stack) components(want ...string) map[string]string {
	s.t.Helper()
	ids := s.containers(s.docker)
	for i, name := range want {
		want[i] = s.service + "-" + name
		c, err := s.docker.ContainerInspect(s.t.Context(), want[i])
		if err != nil {
			s.t.Fatal(err)
		}
		if !c.State.Running {
			s.t.Errorf("%s is %s", want[i], c.State.Status)
		}
	}
	if got := slices.Sorted(maps.Keys(ids)); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		s.t.Fatalf("containers %q, want %q", got, want)
	}
	return ids
}

var resource = map[string]any{"attributes": []any{
	map[string]any{"key": "service.name", "value": map[string]any{"stringValue": "shop"}},
	map[string]any{"key": "host.name", "value": map[string]any{"stringValue": "blade7"}},
}}

// send posts OTLP in JSON to the collector.
func (s *stack) send(signal string, body map[string]any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	resp, err := http.Post(s.url("collector")+"/v1/"+signal, "application/json", bytes.NewReader(text))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the collector answers %s: %s", resp.Status, answer)
	}
	return nil
}

// lines sends n log lines of severity error.
func (s *stack) lines(text string, n int) error {
	records := make([]any, n)
	now := time.Now().UnixNano()
	for i := range records {
		records[i] = map[string]any{"timeUnixNano": fmt.Sprint(now + int64(i)), "severityText": "ERROR", "severityNumber": 17, "traceId": traceID, "spanId": "eee19b7ec3c1b174",
			"body": map[string]any{"stringValue": fmt.Sprintf("%s %d", text, i)}}
	}
	return s.send("logs", map[string]any{"resourceLogs": []any{map[string]any{"resource": resource, "scopeLogs": []any{map[string]any{"logRecords": records}}}}})
}

const traceID = "5b8efff798038103d269b633813fc60c"

func (s *stack) span(failed bool) error {
	now := time.Now().UnixNano()
	span := map[string]any{"traceId": traceID, "spanId": fmt.Sprintf("%016x", now), "name": "GET /cart", "kind": 2,
		"startTimeUnixNano": fmt.Sprint(now - 5e7), "endTimeUnixNano": fmt.Sprint(now)}
	if failed {
		span["status"] = map[string]any{"code": 2}
	}
	return s.send("traces", map[string]any{"resourceSpans": []any{map[string]any{"resource": resource, "scopeSpans": []any{map[string]any{"spans": []any{span}}}}}})
}

func (s *stack) metric(value int) error {
	point := map[string]any{"timeUnixNano": fmt.Sprint(time.Now().UnixNano()), "asInt": fmt.Sprint(value)}
	return s.send("metrics", map[string]any{"resourceMetrics": []any{map[string]any{"resource": resource, "scopeMetrics": []any{map[string]any{"metrics": []any{
		map[string]any{"name": "orders", "sum": map[string]any{"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": []any{point}}},
	}}}}}})
}

// results of a query, as Loki and Prometheus give them.
type results struct {
	Data struct {
		Result []struct {
			Stream map[string]string `json:"stream"`
			Metric map[string]string `json:"metric"`
			Value  []any             `json:"value"`
			Values [][]any           `json:"values"`
		} `json:"result"`
	} `json:"data"`
}

// ask gets JSON, with Grafana's administrator when password is given.
func ask(address, password string, v any) error {
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	if password != "" {
		req.SetBasicAuth("admin", password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s: %.300s", address, resp.Status, text)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}

func (s *stack) loki(query string) (r results, err error) {
	return r, ask(s.url("loki")+"/loki/api/v1/query?query="+url.QueryEscape(query), "", &r)
}

// count is how many lines Loki has of the service.
func (s *stack) count(text string) (int, error) {
	r, err := s.loki(fmt.Sprintf(`sum(count_over_time({service_name="shop"} |= %q [1h]))`, text))
	if err != nil || len(r.Data.Result) == 0 {
		return 0, err
	}
	var n int
	_, err = fmt.Sscan(fmt.Sprint(r.Data.Result[0].Value[1]), &n)
	return n, err
}

// password is the one that was generated for Grafana.
func (s *stack) password() string {
	s.t.Helper()
	found, err := filepath.Glob(filepath.Join(s.dir, "state", "plugin-state", "*", "passwords", s.service+"-grafana"))
	if err != nil || len(found) != 1 {
		s.t.Fatalf("password files %q, %v", found, err)
	}
	return strings.TrimSpace(read(s.t, found[0]))
}

func TestTheThreePipelinesBringTheStackUp(t *testing.T) {
	s := newStack(t, engine(t), "")
	s.start()
	for service, want := range map[string]string{
		"logs": "Logs pipeline fully configured", "metrics": "Metrics pipeline fully configured: Prometheus + Grafana + Dashboard",
		"tracing": "Tracing pipeline fully configured: Jaeger + Grafana + Dashboard",
	} {
		if o := s.expect(0, "start", "--wait", service); !strings.Contains(o.stdout+o.stderr, want) {
			t.Errorf("%s: %v", service, o)
		}
	}
	all := []string{"collector", "loki", "prometheus", "jaeger", "grafana"}
	before := s.components(slices.Clone(all)...)

	if err := errors.Join(s.lines("the cart is empty", 3), s.span(false), s.metric(42)); err != nil {
		t.Fatal(err)
	}
	s.eventually("the log line is in Loki, by its labels", func() error {
		r, err := s.loki(`count_over_time({service_name="shop", host_name="blade7"} |= "the cart is empty" [1h])`)
		if err == nil && len(r.Data.Result) == 0 {
			err = errors.New("nothing")
		}
		return err
	})
	s.eventually("the span is in Jaeger", func() error {
		var r struct {
			Data []struct {
				Spans []struct{ OperationName string } `json:"spans"`
			} `json:"data"`
		}
		err := ask(s.url("jaeger")+"/api/traces/"+traceID, "", &r)
		if err == nil && (len(r.Data) != 1 || r.Data[0].Spans[0].OperationName != "GET /cart") {
			err = fmt.Errorf("%+v", r)
		}
		return err
	})
	s.eventually("the metric is in Prometheus", func() error {
		var r results
		err := ask(s.url("prometheus")+"/api/v1/query?query="+url.QueryEscape(`orders_total{service_name="shop"} == 42`), "", &r)
		if err == nil && len(r.Data.Result) != 1 {
			err = fmt.Errorf("%+v", r)
		}
		return err
	})

	t.Run("again changes nothing and says so", func(t *testing.T) {
		for _, service := range []string{"logs", "metrics", "tracing"} {
			if o := s.expect(0, "start", "--wait", service); !strings.Contains(o.stdout+o.stderr, "unchanged") || strings.Contains(o.stdout+o.stderr, "replaced") {
				t.Errorf("%s: %v", service, o)
			}
		}
		if after := s.components(slices.Clone(all)...); !maps.Equal(before, after) {
			t.Errorf("containers before %v, after %v", before, after)
		}
	})
	t.Run("a run is one trace, from the workflow to the Docker engine", s.oneTrace)
	t.Run("the logs of containers are shipped, of either driver", s.containerLogs)
	t.Run("every query of the dashboards returns data", s.dashboards)
	t.Run("the API of our own Grafana has nothing to add", func(t *testing.T) {
		if o := s.expect(0, "start", "--wait", "grafana"); !strings.Contains(o.stdout+o.stderr, "changed: false") {
			t.Errorf("%v", o)
		}
	})
	t.Run("no password but the generated one opens Grafana", func(t *testing.T) {
		var org map[string]any
		if err := ask(s.url("grafana")+"/api/org", "admin", &org); err == nil {
			t.Error("admin/admin is let in")
		}
		if err := ask(s.url("grafana")+"/api/org", s.password(), &org); err != nil {
			t.Error(err)
		}
	})
}

// containerLogs ships what two containers print, and finds it in Loki by their names.
func (s *stack) containerLogs(t *testing.T) {
	for _, driver := range []string{"json-file", "local"} {
		made, err := s.docker.ContainerCreate(t.Context(), &container.Config{Image: stackImages["grafana"]},
			&container.HostConfig{LogConfig: container.LogConfig{Type: driver}}, nil, nil, s.service+"-app-"+driver)
		if err == nil {
			err = s.docker.ContainerStart(t.Context(), made.ID, container.StartOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.docker.ContainerRemove(context.Background(), made.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
				t.Error(err)
			}
		}()
	}
	if info, err := s.docker.Info(t.Context()); err != nil {
		t.Fatal(err)
	} else if _, err := os.ReadDir(filepath.Join(info.DockerRootDir, "containers")); err != nil {
		t.Skipf("the log files of containers cannot be seen from here: %v", err)
	}
	if o := s.expect(0, "start", "--wait", "ingest"); !strings.Contains(o.stdout+o.stderr, "ingest started: discovered=2 enriched=2 status=shipping") {
		t.Errorf("%v", o)
	}
	for _, driver := range []string{"json-file", "local"} {
		s.arrived(s.service+"-app-"+driver, "standin-grafana: listening", 1)
	}
	if o := s.expect(0, "logs", "shippers", "--files"); !strings.Contains(o.stdout, "local-logs/container.log") || !strings.Contains(o.stdout, "running") {
		t.Errorf("%v", o)
	}
}

// dashboards asks what the panels ask, through Grafana's datasources, while
// applications send.
func (s *stack) dashboards(t *testing.T) {
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			_ = errors.Join(s.lines("steady", 5), s.span(i%3 == 0), s.metric(42+i)) // the queries tell
			select {
			case <-stop:
				return
			case <-time.After(300 * time.Millisecond):
			}
		}
	}()
	defer func() { close(stop); <-done }()
	password := s.password()
	concrete := strings.NewReplacer("$service", ".+", "$__auto", "1m", "$__rate_interval", "1m")
	for _, uid := range []string{"orch-logs", "orch-host", "orch-collector", "orch-requests", "orch-shipping"} {
		var d struct {
			Dashboard struct {
				Panels []struct {
					Title   string
					Targets []struct {
						Expr       string
						Datasource struct{ Type, UID string }
					}
				}
			}
		}
		if err := ask(s.url("grafana")+"/api/dashboards/uid/"+uid, password, &d); err != nil {
			t.Fatal(err)
		}
		queries := 0
		for _, p := range d.Dashboard.Panels {
			for _, q := range p.Targets {
				queries++
				path := "/api/v1/query?query="
				if q.Datasource.Type == "loki" {
					path = "/loki/api/v1/query?query="
					if !strings.Contains(q.Expr, "(") { // a logs panel: lines are asked for over a range
						path = "/loki/api/v1/query_range?query="
					}
				}
				address := s.url("grafana") + "/api/datasources/proxy/uid/" + q.Datasource.UID + path + url.QueryEscape(concrete.Replace(q.Expr))
				s.eventually(fmt.Sprintf("dashboard %s, panel %q has data for %s", uid, p.Title, q.Expr), func() error {
					var r results
					err := ask(address, password, &r)
					if err == nil && len(r.Data.Result) == 0 {
						err = errors.New("no data")
					}
					return err
				})
			}
		}
		if queries < 5 {
			t.Errorf("dashboard %s asks only %d queries", uid, queries)
		}
	}
}

func TestLinesThatWereAnsweredSurviveLokiBeingAwayAndTheCollectorBeingKilled(t *testing.T) {
	docker := engine(t)
	s := newStack(t, docker, "")
	s.expect(0, "run", "logs")
	if err := s.lines("before", 10); err != nil {
		t.Fatal(err)
	}
	s.activity("stop_loki_activity")
	for range 50 {
		if err := s.lines("while Loki is away", 1000); err != nil {
			t.Fatal(err)
		}
	}
	if err := docker.ContainerKill(t.Context(), s.service+"-collector", "KILL"); err != nil {
		t.Fatal(err)
	}
	s.expect(0, "run", "logs")
	s.eventually("all 50,000 lines are in Loki", func() error {
		n, err := s.count("while Loki is away")
		if err == nil && n < 50_000 {
			err = fmt.Errorf("%d lines", n)
		}
		return err
	})
	if n, err := s.count("while Loki is away"); err != nil || n > 51_000 {
		t.Errorf("%d lines, %v: more than one batch twice", n, err)
	}
}

func TestAConfigurationThatTheCollectorRefusesLeavesTheRunningOneAlone(t *testing.T) {
	extra := filepath.Join(t.TempDir(), "extra.yaml")
	write(t, extra, 0o644, "processors:\n  batch:\n    timeout: 2s\n")
	s := newStack(t, engine(t), "", fmt.Sprintf("collector.extra_config = %q", extra))
	s.expect(0, "run", "logs")
	before := s.components("collector", "loki", "grafana")
	still := func(what string) {
		t.Helper()
		if after := s.components("collector", "loki", "grafana"); !maps.Equal(before, after) {
			t.Errorf("%s: containers before %v, after %v", what, before, after)
		}
		if err := s.lines("still here", 1); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	write(t, extra, 0o644, "processors:\n  batch:\n    timeout: soon\n")
	o := s.expect(1, "run", "logs")
	for _, want := range []string{"is left as it is", "validate", "timeout"} {
		if !strings.Contains(o.stdout+o.stderr, want) {
			t.Errorf("the refusal lacks %q: %v", want, o)
		}
	}
	still("refused by validate")

	// One that is valid and cannot run: the collector exits, and the old one is put back.
	write(t, extra, 0o644, "receivers:\n  otlp:\n    protocols:\n      http:\n        endpoint: 192.0.2.1:4318\n")
	began := time.Now()
	o = s.expect(1, "run", "logs")
	for _, want := range []string{"exited with code 1", "the previous container has been put back", "192.0.2.1:4318"} {
		if !strings.Contains(o.stdout+o.stderr, want) {
			t.Errorf("the failure lacks %q: %v", want, o)
		}
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %s to say so", took)
	}
	still("exited at its start")
}

func TestWhatKeepsAComponentFromStartingIsOneClearError(t *testing.T) {
	docker := engine(t)
	t.Run("a port in use", func(t *testing.T) {
		s := newStack(t, docker, "")
		l := listen(t, s.ports["loki"])
		defer l.Close()
		o := s.expect(1, "run", "logs")
		if text := o.stdout + o.stderr; !strings.Contains(text, "plugins.observability.config.loki.port") || !strings.Contains(text, "is in use") {
			t.Errorf("%v", o)
		}
	})
	t.Run("a missing image", func(t *testing.T) {
		s := newStack(t, docker, "")
		o := s.expect(1, "--set", "plugins.observability.config.jaeger.image=localhost:1/none:1", "run", "tracing")
		if text := o.stdout + o.stderr; !strings.Contains(text, "Error: Tracing pipeline failed: image localhost:1/none:1 is not on the Docker engine") || !strings.Contains(text, "plugins.observability.config.jaeger.image") {
			t.Errorf("%v", o)
		}
	})
	t.Run("a full disk", func(t *testing.T) {
		s := newStack(t, docker, "")
		_, err := docker.VolumeCreate(t.Context(), volume.CreateOptions{
			Name: s.service + "-loki-data", Driver: "local", DriverOpts: map[string]string{"type": "tmpfs", "device": "tmpfs", "o": "size=8k"},
			Labels: map[string]string{"orch.managed": "true", "orch.service": s.service, "orch.component": "loki"},
		})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		o := s.expect(1, "run", "logs")
		if text := o.stdout + o.stderr; !strings.Contains(text, "no space left on device") || !strings.Contains(text, s.service+"-loki") {
			t.Errorf("%v", o)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("it took %s to say so", took)
		}
	})
	t.Run("parameters that are none", func(t *testing.T) {
		s := newStack(t, docker, "")
		o := s.expect(1, "run", "metrics", "-p", "service_name=7")
		if text := o.stdout + o.stderr; !strings.Contains(text, "Error: service_name is required and must be string") {
			t.Errorf("%v", o)
		}
	})
}

func TestAPluginOrHostKilledAtAnyStepOfAPipelineEndsInTheSameStack(t *testing.T) {
	docker := engine(t)
	for i, tt := range []struct {
		component, service, result string
		stack                      []string
	}{
		{"collector", "logs", "Logs pipeline fully configured", []string{"collector", "loki", "grafana"}},
		{"loki", "logs", "Logs pipeline fully configured", []string{"collector", "loki", "grafana"}},
		{"grafana", "logs", "Logs pipeline fully configured", []string{"collector", "loki", "grafana"}},
		{"prometheus", "metrics", "Metrics pipeline fully configured: Prometheus + Grafana + Dashboard", []string{"prometheus", "grafana"}},
		{"jaeger", "tracing", "Tracing pipeline fully configured: Jaeger + Grafana + Dashboard", []string{"jaeger", "grafana"}},
	} {
		t.Run(tt.component, func(t *testing.T) {
			g := newGateAt(t, docker, false, func(r *http.Request) bool {
				return strings.HasSuffix(r.URL.Path, "/containers/create") && strings.Contains(r.URL.RawQuery, "-"+tt.component+".next")
			})
			s := newStack(t, docker, g.host)
			h := s.start()
			s.expect(0, "start", tt.service)
			g.await(t)
			if i%2 == 0 {
				killProcess(t, s.pluginPid("observability"))
				g.release()
			} else {
				h.kill(t)
				g.release()
				s.start()
			}
			if text := s.result(s.client(clientOptions()), tt.service+"_1"); text != tt.result {
				t.Errorf("result %q", text)
			}
			s.components(tt.stack...)
			if tt.service != "logs" {
				return
			}
			if err := s.lines("after all", 2); err != nil {
				t.Fatal(err)
			}
			s.eventually("the lines are in Loki", func() error {
				n, err := s.count("after all")
				if err == nil && n != 2 {
					err = fmt.Errorf("%d lines", n)
				}
				return err
			})
		})
	}
}

func TestPromtailReadsItsFiles(t *testing.T) {
	logs := t.TempDir()
	write(t, filepath.Join(logs, "app.log"), 0o600, "promtail was here\n")
	s := newStack(t, engine(t), "", fmt.Sprintf("promtail.paths = [%q]", filepath.Join(logs, "*.log")), `promtail.labels = { service_name = "shop" }`)
	s.activity("start_loki_activity")
	s.activity("start_promtail_activity")
	s.components("loki", "promtail")
	s.eventually("the file's line is in Loki", func() error {
		n, err := s.count("promtail was here")
		if err == nil && n != 1 {
			err = fmt.Errorf("%d lines", n)
		}
		return err
	})
	for _, c := range []string{"promtail", "loki"} {
		s.activity("stop_" + c + "_activity")
		s.activity("delete_" + c + "_activity")
	}
	s.components()
}
