// Package tracing sends OpenTelemetry traces to an OTLP receiver. A host begins
// a trace for each workflow; a plugin whose main function wraps it in [Plugin]
// goes on with it: its attempts, and what they ask of Docker and of HTTP
// servers, are spans of the same trace.
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/orch-host/orch/sdk"
	"github.com/orch-host/orch/sdk/internal/receiver"
)

// Variables of the OpenTelemetry specification that a host gives to its plugins,
// when it has a receiver.
const (
	EnvEndpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	EnvResource = "OTEL_RESOURCE_ATTRIBUTES"
)

// timeout bounds one push, and the last one.
const timeout = 3 * time.Second

// Options of [Start].
type Options struct {
	// Endpoint is the receiver's base URL, such as http://localhost:4318.
	Endpoint string
	// Service and Version become service.name and service.version, Host
	// host.name. OTEL_RESOURCE_ATTRIBUTES adds more.
	Service, Version, Host string
	// Percent of the traces that begin here are kept, 0 to 100. A trace that
	// began elsewhere is kept when it is kept there.
	Percent int
	// Logger is told when the receiver goes away and when it is back. Nil:
	// slog.Default, as it is then.
	Logger *slog.Logger
}

// Tracing sends until it is stopped.
type Tracing struct{ provider *sdktrace.TracerProvider }

// Start makes the process's tracer provider one that sends to the endpoint,
// every second. Spans that a receiver does not take are lost: they are for
// people, not for the books. The error names an endpoint that is no URL.
func Start(o Options) (*Tracing, error) {
	target, err := url.JoinPath(o.Endpoint, "v1", "traces")
	if err != nil {
		return nil, fmt.Errorf("OTLP endpoint %q: %w", o.Endpoint, err)
	}
	out, err := otlptracehttp.New(context.Background(), otlptracehttp.WithEndpointURL(target), otlptracehttp.WithTimeout(timeout),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: false}))
	if err != nil {
		return nil, fmt.Errorf("OTLP endpoint %q: %w", o.Endpoint, err)
	}
	who, err := resource.New(context.Background(), resource.WithFromEnv(), resource.WithAttributes(o.attributes()...))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", EnvResource, err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(&tolerant{out, &receiver.Watch{What: "traces", Endpoint: o.Endpoint, Logger: o.Logger}}, sdktrace.WithBatchTimeout(time.Second)),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(float64(o.Percent)/100))),
		sdktrace.WithResource(who),
	)
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	return &Tracing{provider}, nil
}

func (o Options) attributes() []attribute.KeyValue {
	all := []attribute.KeyValue{attribute.String("service.name", o.Service)}
	for key, value := range map[string]string{"service.version": o.Version, "host.name": o.Host} {
		if value != "" {
			all = append(all, attribute.String(key, value))
		}
	}
	return all
}

// Stop sends what is left.
func (t *Tracing) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // tolerant has logged it
}

// tolerant tells of a receiver that is away instead of failing.
type tolerant struct {
	sdktrace.SpanExporter
	receiver *receiver.Watch
}

// ExportSpans implements sdktrace.SpanExporter.
func (t *tolerant) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	t.receiver.Note(t.SpanExporter.ExportSpans(ctx, spans))
	return nil
}

// Plugin is p, with its attempts in the traces of the host that runs it. Without
// an endpoint in its environment it is p as it was.
func Plugin(p sdk.Plugin) sdk.Plugin {
	endpoint := os.Getenv(EnvEndpoint)
	if endpoint == "" {
		return p
	}
	t, err := Start(Options{Endpoint: endpoint, Service: "orch-plugin-" + p.Name, Version: p.Version, Percent: 100})
	if err != nil {
		slog.Error("there will be no traces", "error", err)
		return p
	}
	closed := p.Close
	p.Close = func(ctx context.Context) error {
		defer t.Stop()
		if closed == nil {
			return nil
		}
		return closed(ctx)
	}
	return p
}

// Transport makes each request through base (nil: http.DefaultTransport) a span,
// named after its method and host. The server is sent no trace context: it is
// somebody else's.
func Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return otelhttp.NewTransport(base, otelhttp.WithPropagators(propagation.NewCompositeTextMapPropagator()),
		otelhttp.WithFilter(InTrace),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string { return r.Method + " " + r.URL.Host }))
}

// InTrace is whether a request belongs to an attempt. As a filter it keeps those of
// background tasks from beginning traces of their own.
func InTrace(r *http.Request) bool { return trace.SpanContextFromContext(r.Context()).IsValid() }
