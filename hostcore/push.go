package hostcore

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
)

const (
	pushEvery   = 15 * time.Second
	pushTimeout = 5 * time.Second
)

// pusher sends the metrics behind /metrics to an OTLP receiver: a Prometheus in
// a container cannot scrape what listens on the host's loopback address.
type pusher struct{ provider *metric.MeterProvider }

// startPush begins to push; endpoint is a receiver's base URL such as
// http://localhost:4318. A receiver that is away is told of once, and no
// reason not to start.
func startPush(endpoint, host string, registry *prometheus.Registry, log *slog.Logger) (*pusher, error) {
	target, err := url.JoinPath(endpoint, "v1", "metrics")
	if err != nil {
		return nil, fmt.Errorf("host.otlp_endpoint: %w", err)
	}
	out, err := otlpmetrichttp.New(context.Background(), otlpmetrichttp.WithEndpointURL(target), otlpmetrichttp.WithTimeout(pushTimeout),
		otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{Enabled: false})) // the next push has the same counters
	if err != nil {
		return nil, fmt.Errorf("host.otlp_endpoint: %w", err)
	}
	reader := metric.NewPeriodicReader(&tolerant{Exporter: out, log: log, endpoint: endpoint},
		metric.WithInterval(pushEvery), metric.WithTimeout(pushTimeout), metric.WithProducer(bridge.NewMetricProducer(bridge.WithGatherer(registry))))
	who := resource.NewSchemaless(attribute.String("service.name", "orch-host"), attribute.String("host.name", host))
	return &pusher{metric.NewMeterProvider(metric.WithReader(reader), metric.WithResource(who))}, nil
}

// stop pushes a last time.
func (p *pusher) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), pushTimeout)
	defer cancel()
	_ = p.provider.Shutdown(ctx) // tolerant has logged it
}

// tolerant logs when the receiver goes away and when it is back.
type tolerant struct {
	metric.Exporter
	log      *slog.Logger
	endpoint string
	away     bool // Export is called by one goroutine at a time
}

// Export implements metric.Exporter.
func (t *tolerant) Export(ctx context.Context, data *metricdata.ResourceMetrics) error {
	err := t.Exporter.Export(ctx, data)
	switch {
	case err != nil && !t.away:
		t.log.Warn("the host's metrics cannot be pushed; it goes on trying", "host.otlp_endpoint", t.endpoint, "error", err)
	case err == nil && t.away:
		t.log.Info("the host's metrics are pushed again", "host.otlp_endpoint", t.endpoint)
	}
	t.away = err != nil
	return nil
}
