package hostcore

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/bridge"
	"github.com/orch-host/orch/hostcore/connection"
	sdkmetrics "github.com/orch-host/orch/sdk/metrics"
	"github.com/orch-host/orch/sdk/tracing"
)

// telemetry is what the host tells about its work: metrics for whoever scrapes
// them or for an OTLP receiver, traces for the receiver.
type telemetry struct {
	registry *prometheus.Registry
	bridge   *bridge.Metrics
	temporal connection.Telemetry
	pusher   *sdkmetrics.Pusher
	tracing  *tracing.Tracing
}

// openTelemetry measures the work only when somebody can read it.
func (h *Host) openTelemetry() (_ *telemetry, err error) {
	c := h.cfg.Host
	t := &telemetry{registry: prometheus.NewRegistry()}
	if c.Listen == "" && c.OTLP == "" {
		return t, nil
	}
	t.registry.MustRegister(&collector{h: h}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	t.bridge = bridge.NewMetrics(t.registry)
	if err := t.countTemporal(h); err != nil {
		return nil, err
	}
	if c.OTLP == "" {
		return t, nil
	}
	defer func() {
		if err != nil {
			t.stop()
		}
	}()
	if t.pusher, err = sdkmetrics.Push(sdkmetrics.Options{Endpoint: c.OTLP, Service: "orch-host", Host: c.Name, Gatherer: t.registry, Logger: h.o.Logger}); err != nil {
		return nil, fmt.Errorf("host.otlp_endpoint: %w", err)
	}
	if c.Traces == 0 {
		return t, nil
	}
	if t.tracing, err = tracing.Start(tracing.Options{Endpoint: c.OTLP, Service: "orch-host", Version: h.o.Version, Host: c.Name, Percent: c.Traces, Logger: h.o.Logger}); err != nil {
		return nil, fmt.Errorf("host.otlp_endpoint: %w", err)
	}
	tracer, err := opentelemetry.NewTracingInterceptor(opentelemetry.TracerOptions{
		Tracer: otel.Tracer("github.com/orch-host/orch/hostcore"), DisableQueryTracing: true, DisableBaggage: true, AllowInvalidParentSpans: true,
	})
	if err != nil {
		return nil, fmt.Errorf("trace workflows: %w", err)
	}
	t.temporal.Interceptors = []interceptor.ClientInterceptor{tracer}
	return t, nil
}

// countTemporal puts the metrics of the Temporal SDK into the registry.
func (t *telemetry) countTemporal(h *Host) error {
	out, err := otelprom.New(otelprom.WithRegisterer(t.registry), otelprom.WithoutScopeInfo(), otelprom.WithoutTargetInfo())
	if err != nil {
		return fmt.Errorf("export the metrics of the Temporal SDK: %w", err)
	}
	t.temporal.Metrics = opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{
		Meter:                metric.NewMeterProvider(metric.WithReader(out)).Meter("temporal"),
		UseMonotonicCounters: true,
		OnError:              func(err error) { h.o.Logger.Warn("a metric of the Temporal SDK is not counted", "error", err) },
	})
	return nil
}

// stop sends what is left.
func (t *telemetry) stop() {
	if t.pusher != nil {
		t.pusher.Stop()
	}
	if t.tracing != nil {
		t.tracing.Stop()
	}
}

// traceEnviron is what plugins are told, so that their spans join the host's.
func traceEnviron(c config.Host) []string {
	if c.OTLP == "" || c.Traces == 0 {
		return nil
	}
	return []string{tracing.EnvEndpoint + "=" + c.OTLP, tracing.EnvResource + "=host.name=" + c.Name}
}
