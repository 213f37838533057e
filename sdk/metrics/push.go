// Package metrics sends Prometheus metrics to an OTLP receiver, for programs
// that nobody can scrape: a Prometheus in a container does not reach what
// listens on the host's loopback address, and plugins listen nowhere.
package metrics

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

	"github.com/orch-host/orch/sdk/internal/receiver"
)

const (
	every   = 15 * time.Second
	timeout = 5 * time.Second // of one push
)

// Options of [Push].
type Options struct {
	// Endpoint is the receiver's base URL, such as http://localhost:4318.
	Endpoint string
	// Service and Host become service.name and host.name.
	Service, Host string
	Gatherer      prometheus.Gatherer
	// Logger is told when the receiver goes away and when it is back.
	Logger *slog.Logger
}

// Pusher pushes until it is stopped.
type Pusher struct{ provider *metric.MeterProvider }

// Push begins to send the gatherer's metrics, under their names, every 15 s. A
// receiver that is away is no error: the next push has the same counters. The
// error names an endpoint that is no URL.
func Push(o Options) (*Pusher, error) {
	target, err := url.JoinPath(o.Endpoint, "v1", "metrics")
	if err != nil {
		return nil, fmt.Errorf("OTLP endpoint %q: %w", o.Endpoint, err)
	}
	out, err := otlpmetrichttp.New(context.Background(), otlpmetrichttp.WithEndpointURL(target), otlpmetrichttp.WithTimeout(timeout),
		otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{Enabled: false}))
	if err != nil {
		return nil, fmt.Errorf("OTLP endpoint %q: %w", o.Endpoint, err)
	}
	reader := metric.NewPeriodicReader(&tolerant{out, &receiver.Watch{What: "metrics", Endpoint: o.Endpoint, Logger: o.Logger}},
		metric.WithInterval(every), metric.WithTimeout(timeout), metric.WithProducer(bridge.NewMetricProducer(bridge.WithGatherer(o.Gatherer))))
	who := resource.NewSchemaless(attribute.String("service.name", o.Service), attribute.String("host.name", o.Host))
	return &Pusher{metric.NewMeterProvider(metric.WithReader(reader), metric.WithResource(who))}, nil
}

// Stop pushes a last time.
func (p *Pusher) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	_ = p.provider.Shutdown(ctx) // tolerant has logged it
}

// tolerant tells of a receiver that is away instead of failing.
type tolerant struct {
	metric.Exporter
	receiver *receiver.Watch
}

// Export implements metric.Exporter. Nothing is nothing to send.
func (t *tolerant) Export(ctx context.Context, data *metricdata.ResourceMetrics) error {
	if len(data.ScopeMetrics) == 0 {
		return nil
	}
	t.receiver.Note(t.Exporter.Export(ctx, data))
	return nil
}
