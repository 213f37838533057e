package observability

import (
	"testing"

	"github.com/orch-host/orch/sdk/sdktest"
)

func TestLogsAndMetricsGoToTheCollectorWhereItIsConfiguredToListen(t *testing.T) {
	for want, c := range map[string]Config{
		"http://localhost:4318":   {},
		"http://localhost:14318":  {Collector: CollectorConfig{HTTPPort: 14318}},
		"http://192.0.2.7:4318":   {Bind: "192.0.2.7"},
		"http://192.0.2.7:14318":  {Bind: "192.0.2.7", Collector: CollectorConfig{HTTPPort: 14318}},
		"http://localhost:24318":  {Bind: "0.0.0.0", Collector: CollectorConfig{HTTPPort: 24318}},
		"http://other.example:80": {Bind: "192.0.2.7", Ingest: Ingest{Endpoint: "http://other.example:80"}, Ship: ShipConfig{MetricsEndpoint: "http://other.example:80"}},
	} {
		g := &group{}
		g.config.Store(&c)
		if in, err := g.configureIngest(t.Context(), nil); err != nil || in.Endpoint != want {
			t.Errorf("logs go to %s, %v, want %s", in.Endpoint, err, want)
		}
		if got := c.metricsEndpoint(); got != want {
			t.Errorf("metrics go to %s, want %s", got, want)
		}
	}
}

func TestAShipmentWithoutAnEndpointGoesToTheCollector(t *testing.T) {
	p := Plugin("1.0.0")
	h := sdktest.Start(t, p, sdktest.Config(map[string]any{"collector": map[string]any{"http_port": 1}, "ship": map[string]any{"metrics_endpoint": "none"}}))
	t.Cleanup(func() {
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if f := h.Execute(sdktest.Call{Activity: "tail_and_ship_logs_activity", Args: []any{map[string]any{"files": []string{"/nowhere/app.log"}}}}).Failure; f != nil {
		t.Error(f)
	}
}
