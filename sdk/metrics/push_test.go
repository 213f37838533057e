package metrics

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

func TestTheMetricsReachAnOTLPReceiverUnderTheirNames(t *testing.T) {
	var got atomic.Value
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var req collectorpb.ExportMetricsServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &req)
		}
		if err != nil {
			t.Error(err)
		}
		got.Store(r.URL.Path + " " + protojson.Format(&req))
	}))
	defer srv.Close()
	registry := prometheus.NewRegistry()
	swaps := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "orch_plugin_swaps_total", Help: "h"}, []string{"plugin"})
	swaps.WithLabelValues("databases").Add(3)
	registry.MustRegister(swaps)
	p, err := Push(Options{Endpoint: srv.URL + "/", Service: "orch-host", Host: "blade7", Gatherer: registry, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	p.Stop()
	text, _ := got.Load().(string)
	for _, want := range []string{"/v1/metrics ", "orch_plugin_swaps_total", "databases", "orch-host", "blade7"} {
		if !strings.Contains(text, want) {
			t.Errorf("what was pushed lacks %q: %s", want, text)
		}
	}
}

func TestAReceiverThatIsAwayIsToldOfOnce(t *testing.T) {
	var log bytes.Buffer
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "x_total", Help: "h"}))
	p, err := Push(Options{Endpoint: "http://127.0.0.1:1", Gatherer: registry, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := p.provider.ForceFlush(t.Context()); err != nil {
			t.Error(err)
		}
	}
	p.Stop()
	if n := strings.Count(log.String(), "cannot be pushed"); n != 1 {
		t.Errorf("told %d times:\n%s", n, log.String())
	}
}

func TestNothingIsPushedWhileThereIsNothing(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("something was pushed") }))
	defer srv.Close()
	p, err := Push(Options{Endpoint: srv.URL, Gatherer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	p.Stop()
}
