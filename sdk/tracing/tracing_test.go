package tracing

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace/noop"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/orch-host/orch/sdk"
	"github.com/orch-host/orch/sdk/sdktest"
)

// receive is an OTLP receiver that keeps the spans by name.
func receive(t *testing.T) (url string, spans func() map[string]*tracepb.Span) {
	var mu sync.Mutex
	all := map[string]*tracepb.Span{}
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var req collectorpb.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &req)
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, rs := range req.GetResourceSpans() {
			for _, ss := range rs.GetScopeSpans() {
				for _, s := range ss.GetSpans() {
					all[s.GetName()] = s
				}
			}
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL, func() map[string]*tracepb.Span { mu.Lock(); defer mu.Unlock(); return all }
}

func TestAnAttemptAndItsCallsJoinTheTraceOfTheHost(t *testing.T) {
	endpoint, spans := receive(t)
	called := make(chan http.Header, 2)
	api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { called <- r.Header }))
	defer api.Close()
	tr, err := Start(Options{Endpoint: endpoint, Service: "orch-plugin-x", Percent: 100, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: Transport(nil)}
	ask := func(ctx context.Context, _ struct{}) (string, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, api.URL, nil)
		if err != nil {
			return "", err
		}
		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}
		return "ok", resp.Body.Close()
	}
	p := sdk.Plugin{Name: "x", Version: "1.0.0", Activities: []sdk.ActivityDef{sdk.Activity("ask", "Asks.", ask)}}
	out := sdktest.Start(t, p).Execute(sdktest.Call{Activity: "ask", Carrier: map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}})
	if out.Failure != nil {
		t.Fatal(out.Failure)
	}
	if _, err := ask(context.Background(), struct{}{}); err != nil { // of no attempt
		t.Fatal(err)
	}
	tr.Stop()
	otel.SetTracerProvider(noop.NewTracerProvider())
	attempt := spans()["ask"]
	var call *tracepb.Span
	for name, s := range spans() {
		if name != "ask" {
			call = s
		}
	}
	if attempt == nil || call == nil || len(spans()) != 2 {
		t.Fatalf("spans: %v", spans())
	}
	if string(attempt.GetParentSpanId()) != "\xb7\xad\x6b\x71\x69\x20\x33\x31" || string(call.GetParentSpanId()) != string(attempt.GetSpanId()) || string(call.GetTraceId()) != string(attempt.GetTraceId()) {
		t.Errorf("attempt %v\ncall %v", attempt, call)
	}
	if h := <-called; h.Get("Traceparent") != "" {
		t.Error("a server that is not ours was told of the trace")
	}
}

func TestAReceiverThatIsAwayIsToldOfByTheLoggerOfTheProcess(t *testing.T) {
	t.Setenv(EnvEndpoint, "http://127.0.0.1:1")
	before := slog.Default()
	defer slog.SetDefault(before)
	defer otel.SetTracerProvider(noop.NewTracerProvider())
	p := Plugin(sdk.Plugin{Name: "x", Version: "1.0.0"})
	var log bytes.Buffer
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, nil))) // as sdk.Serve does, which comes later
	_, span := otel.Tracer("x").Start(t.Context(), "work")
	span.End()
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var record struct {
		Level, Msg string
		Endpoint   string `json:"otlp_endpoint"`
	}
	if err := json.Unmarshal(log.Bytes(), &record); err != nil || record.Level != "WARN" || record.Endpoint != "http://127.0.0.1:1" {
		t.Errorf("want one warning with the receiver's address, got %q (%v)", log.String(), err)
	}
}
