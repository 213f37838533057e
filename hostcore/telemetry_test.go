package hostcore

import (
	"log/slog"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/sdk/tracing"
)

func TestTracesThatCannotBeginLeaveNothingRunning(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Setenv(tracing.EnvResource, "no pair")
	c := config.Default()
	c.Host.OTLP, c.Host.Traces = "http://127.0.0.1:1", 100
	h := &Host{cfg: c, o: Options{Config: c, Logger: slog.New(slog.DiscardHandler)}}
	if _, err := h.openTelemetry(); err == nil || !strings.Contains(err.Error(), tracing.EnvResource) {
		t.Errorf("got %v, want an error that names %s", err, tracing.EnvResource)
	}
}
