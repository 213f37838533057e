package observability_test

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-openapi/strfmt"
	gapi "github.com/grafana/grafana-openapi-client-go/client"
	"github.com/grafana/grafana-openapi-client-go/models"

	"github.com/orch-host/orch/plugins/internal/ready"
	"github.com/orch-host/orch/plugins/observability"
	"github.com/orch-host/orch/sdk/sdktest"
)

// standIn runs the stand-in for Grafana as a process, with admin:s3cret.
func standIn(t *testing.T) (address string, client *gapi.GrafanaHTTPAPI) {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "standin-grafana")
	if out, err := exec.Command("go", "build", "-o", bin, "../../images/standin-grafana").CombinedOutput(); err != nil {
		t.Fatalf("build the stand-in: %v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	cmd := exec.Command(bin)
	cmd.Env = []string{"GF_PATHS_DATA=" + filepath.Join(dir, "data"), "GF_PATHS_PROVISIONING=" + dir, "GF_SECURITY_ADMIN_PASSWORD=s3cret", fmt.Sprintf("GF_SERVER_HTTP_PORT=%d", port)}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	address = fmt.Sprintf("127.0.0.1:%d", port)
	if err := ready.Poll(t.Context(), ready.HTTP("http://"+address+"/api/health", ready.HTTPOptions{}), ready.PollOptions{Every: 20 * time.Millisecond, Timeout: 30 * time.Second}); err != nil {
		t.Fatal(err)
	}
	return "http://" + address, gapi.NewHTTPClientWithConfig(strfmt.Default, &gapi.TransportConfig{
		Host: address, BasePath: "/api", Schemes: []string{"http"}, BasicAuth: url.UserPassword("admin", "s3cret"),
		Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	})
}

func configureGrafana(t *testing.T, h *sdktest.Harness) (out observability.GrafanaOutput) {
	t.Helper()
	if err := h.Run("configure_grafana_activity", map[string]any{"service_name": "x"}).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

func statuses(all []observability.Configured) string {
	var s []string
	for _, c := range all {
		s = append(s, c.Status)
	}
	slices.Sort(s)
	return strings.Join(slices.Compact(s), ",")
}

func TestAGrafanaThatRunsAlreadyGetsDatasourcesAndDashboardsOnce(t *testing.T) {
	address, client := standIn(t)
	h := start(t, map[string]any{"grafana": map[string]any{"url": address, "password": "s3cret"}, "jaeger": map[string]any{"url": "http://traces:16686"}})
	if out := configureGrafana(t, h); !out.Changed || statuses(out.Datasources) != "created" || statuses(out.Dashboards) != "created" {
		t.Errorf("first: %+v", out)
	}
	if out := configureGrafana(t, h); out.Changed || statuses(out.Datasources) != "unchanged" || statuses(out.Dashboards) != "unchanged" {
		t.Errorf("second: %+v", out)
	}
	jaeger, err := client.Datasources.GetDataSourceByName("Jaeger")
	if err != nil || jaeger.Payload.URL != "http://traces:16686" || jaeger.Payload.UID != "orch-jaeger" {
		t.Fatalf("Jaeger: %+v, %v", jaeger, err)
	}
	// Somebody changes a dashboard and a datasource by hand.
	if _, err := client.Datasources.UpdateDataSourceByUID("orch-jaeger", &models.UpdateDataSourceCommand{Name: "Jaeger", Type: "jaeger", Access: "proxy", URL: "http://elsewhere"}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Dashboards.PostDashboard(&models.SaveDashboardCommand{Overwrite: true, Dashboard: map[string]any{"uid": "orch-logs", "title": "Mine"}}); err != nil {
		t.Fatal(err)
	}
	if out := configureGrafana(t, h); statuses(out.Datasources) != "unchanged,updated" || statuses(out.Dashboards) != "unchanged,updated" {
		t.Errorf("after changes by hand: %+v", out)
	}
	if jaeger, err = client.Datasources.GetDataSourceByName("Jaeger"); err != nil || jaeger.Payload.URL != "http://traces:16686" {
		t.Errorf("Jaeger after all: %+v, %v", jaeger, err)
	}
}

func TestDashboardsReferToTheDatasourceThatWasThere(t *testing.T) {
	address, client := standIn(t)
	if _, err := client.Datasources.AddDataSource(&models.AddDataSourceCommand{Name: "Loki", Type: "loki", UID: "theirs", Access: "proxy", URL: "http://old:3100"}); err != nil {
		t.Fatal(err)
	}
	h := start(t, map[string]any{"grafana": map[string]any{"url": address, "password": "s3cret"}})
	configureGrafana(t, h)
	logs, err := client.Dashboards.GetDashboardByUID("orch-logs")
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(logs.Payload.Dashboard); !strings.Contains(text, "uid:theirs") || strings.Contains(text, "orch-loki") {
		t.Errorf("the dashboard's datasources: %s", text)
	}
	if loki, err := client.Datasources.GetDataSourceByUID("theirs"); err != nil || loki.Payload.URL != "http://localhost:3100" {
		t.Errorf("Loki: %+v, %v", loki, err)
	}
}

func TestADatasourceOfTheirsIsCorrectedAndKeepsWhatElseItHas(t *testing.T) {
	address, client := standIn(t)
	if _, err := client.Datasources.AddDataSource(&models.AddDataSourceCommand{
		Name: "Loki", Type: "loki", UID: "theirs", Access: "proxy", URL: "http://old:3100", IsDefault: true, BasicAuth: true, BasicAuthUser: "reader",
		JSONData: map[string]any{"maxLines": 50},
	}); err != nil {
		t.Fatal(err)
	}
	h := start(t, map[string]any{"grafana": map[string]any{"url": address, "password": "s3cret"}})
	h.Run("add_loki_datasource_activity", map[string]any{})
	found, err := client.Datasources.GetDataSourceByUID("theirs")
	if err != nil {
		t.Fatal(err)
	}
	d := found.Payload
	if d.URL != "http://localhost:3100" || !d.IsDefault || !d.BasicAuth || d.BasicAuthUser != "reader" {
		t.Errorf("%+v, want the address corrected and the rest kept", d)
	}
	if text := fmt.Sprint(d.JSONData); !strings.Contains(text, "maxLines:50") || !strings.Contains(text, "derivedFields") {
		t.Errorf("jsonData: %s", text)
	}
}

func TestBothActivitiesOfGrafanaLinkToTheJaegerThatWasThere(t *testing.T) {
	address, client := standIn(t)
	if _, err := client.Datasources.AddDataSource(&models.AddDataSourceCommand{Name: "Jaeger", Type: "jaeger", UID: "theirs", Access: "proxy", URL: "http://old:16686"}); err != nil {
		t.Fatal(err)
	}
	h := start(t, map[string]any{"grafana": map[string]any{"url": address, "password": "s3cret"}})
	h.Run("add_loki_datasource_activity", map[string]any{})
	found, err := client.Datasources.GetDataSourceByName("Loki")
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(found.Payload.JSONData); !strings.Contains(text, "datasourceUid:theirs") {
		t.Errorf("Loki's link to the trace: %s", text)
	}
	configureGrafana(t, h)
	var d observability.Configured
	if err := h.Run("add_loki_datasource_activity", map[string]any{}).Decode(&d); err != nil || d.Status != "unchanged" {
		t.Errorf("after configure_grafana_activity: %+v, %v", d, err)
	}
}

func TestTheLokiDatasourceIsMadeOnceAndCorrectedWhenItDiffers(t *testing.T) {
	address, client := standIn(t)
	h := start(t, map[string]any{"grafana": map[string]any{"url": address, "password": "s3cret"}})
	expect := func(want string) {
		t.Helper()
		var d observability.Configured
		if err := h.Run("add_loki_datasource_activity", map[string]any{}).Decode(&d); err != nil || d.Status != want {
			t.Errorf("want %q, got %+v, %v", want, d, err)
		}
	}
	expect("created")
	expect("unchanged")
	if _, err := client.Datasources.UpdateDataSourceByUID("orch-loki", &models.UpdateDataSourceCommand{Name: "Loki", Type: "loki", Access: "proxy", URL: "http://elsewhere"}); err != nil {
		t.Fatal(err)
	}
	expect("updated")
	expect("unchanged")
}

func TestAGrafanaThatRefusesOrIsAwayIsNamedWithItsSettings(t *testing.T) {
	address, _ := standIn(t)
	for _, tt := range []struct {
		name, url, want string
		final           bool
	}{
		{"without credentials", address, "set token, or user and password, in [plugins.observability.config.grafana]", true},
		{"nobody there", "http://127.0.0.1:1", "start_grafana_container", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := start(t, map[string]any{"grafana": map[string]any{"url": tt.url}})
			o := h.Execute(sdktest.Call{Activity: "configure_grafana_activity", Args: []any{nil}})
			if f := o.Failure; f == nil || f.GetNonRetryable() != tt.final || !strings.Contains(f.GetMessage(), tt.want) {
				t.Errorf("failure %v, want %q", o.Failure, tt.want)
			}
		})
	}
}

func TestEveryPanelHasItsPlaceAndAQueryOfAKnownDatasource(t *testing.T) {
	ids := map[string]string{"loki": "L", "prometheus": "P", "jaeger": "J"}
	seen := map[string]bool{}
	for _, d := range observability.Dashboards() {
		if seen[d.UID] || d.UID == "" || d.Title == "" {
			t.Errorf("dashboard %q %q: a name twice, or none", d.UID, d.Title)
		}
		seen[d.UID] = true
		model := d.Model(ids)
		var taken [200][24]string
		for _, p := range model["panels"].([]map[string]any) {
			title := p["title"].(string)
			at := p["gridPos"].(map[string]any)
			for y := at["y"].(int); y < at["y"].(int)+at["h"].(int); y++ {
				for x := at["x"].(int); x < at["x"].(int)+at["w"].(int); x++ {
					if taken[y][x] != "" {
						t.Fatalf("%s: %q lies on %q", d.UID, title, taken[y][x])
					}
					taken[y][x] = title
				}
			}
			for _, q := range p["targets"].([]map[string]any) {
				source := q["datasource"].(map[string]any)
				if q["expr"] == "" || ids[source["type"].(string)] != source["uid"] {
					t.Errorf("%s: %q asks %v", d.UID, title, q)
				}
			}
		}
	}
}

func TestTheStackIsRefusedByKeyWhereItCannotWork(t *testing.T) {
	for _, tt := range []struct {
		want   string
		config map[string]any
	}{
		{"stack: ", map[string]any{"stack": "my stack"}},
		{"bind: ", map[string]any{"bind": "localhost"}},
		{"collector.grpc_port: ", map[string]any{"collector": map[string]any{"grpc_port": 70000}}},
		{"collector.loki_url: ", map[string]any{"collector": map[string]any{"loki_url": "loki:3100"}}},
		{"collector.memory_limit_mib: ", map[string]any{"collector": map[string]any{"memory_limit_mib": 3}}},
		{"collector.extra_config: ", map[string]any{"collector": map[string]any{"extra_config": "extra.yaml"}}},
		{"loki.retention: ", map[string]any{"loki": map[string]any{"retention": "a month"}}},
		{"loki.memory: ", map[string]any{"loki": map[string]any{"memory": "lots"}}},
		{"prometheus.targets.mine: ", map[string]any{"prometheus": map[string]any{"targets": map[string]any{"mine": "host"}}}},
		{"jaeger.retention: ", map[string]any{"jaeger": map[string]any{"retention": "0d"}}},
		{"grafana.password: ", map[string]any{"grafana": map[string]any{"password": "abc"}}},
		{"promtail.paths: ", map[string]any{"promtail": map[string]any{"paths": []string{"/var/*/x.log"}}}},
	} {
		problems := start(t, map[string]any{}).Configure(tt.config, t.TempDir())
		if len(problems) != 1 || !strings.HasPrefix(problems[0], tt.want) {
			t.Errorf("%v: problems %q, want one that begins with %q", tt.config, problems, tt.want)
		}
	}
}
