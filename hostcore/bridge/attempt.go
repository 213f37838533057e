package bridge

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/sdk/pluginv1"
)

// attempt is one running attempt as the host sees it.
type attempt struct {
	ctx      context.Context
	logger   *slog.Logger
	service  string
	info     activity.Info
	instance *plugin.Instance
	started  time.Time
	details  []any // latest heartbeat details; only Execute's goroutine touches them
	beaten   time.Time
	logs     logBucket

	mu       sync.Mutex
	progress *pluginv1.Progress
}

func newAttempt(ctx context.Context, b *Bridge, service string, info activity.Info, i *plugin.Instance) *attempt {
	return &attempt{ctx: ctx, logger: b.o.Logger, service: service, info: info, instance: i, started: time.Now()}
}

// carrier is the trace that the attempt belongs to; nil when nobody keeps it.
func (a *attempt) carrier() map[string]string {
	span := trace.SpanFromContext(a.ctx)
	if !span.SpanContext().IsSampled() {
		return nil
	}
	m := a.instance.Manifest
	span.SetAttributes(attribute.String("orch.service", a.service), attribute.String("orch.plugin", m.GetName()),
		attribute.String("orch.plugin_version", m.GetVersion()), attribute.Int("temporal.attempt", int(a.info.Attempt)))
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(a.ctx, carrier)
	return carrier
}

// lastHeartbeat is what the attempt before stored; it stays the latest until
// the plugin stores something newer.
func (a *attempt) lastHeartbeat() []*pluginv1.Payload {
	stored, err := storedDetails(a.ctx)
	if err != nil {
		a.log(slog.LevelWarn, "the heartbeat details of the attempt before cannot be read", "error", err)
		return nil
	}
	a.details = stored
	payloads := make([]*pluginv1.Payload, len(stored))
	for i, v := range stored {
		p := v.(converter.RawValue).Payload()
		payloads[i] = &pluginv1.Payload{Metadata: p.GetMetadata(), Data: p.GetData()}
	}
	return payloads
}

// storedDetails are the heartbeat details of the attempt before, each a
// converter.RawValue. The SDK does not tell how many there are, and leaves alone
// what there is no payload for.
func storedDetails(ctx context.Context) ([]any, error) {
	if !activity.HasHeartbeatDetails(ctx) {
		return nil, nil
	}
	for n := 1; ; n *= 2 {
		raw, into := make([]converter.RawValue, n), make([]any, n)
		for i := range raw {
			into[i] = &raw[i]
		}
		if err := activity.GetHeartbeatDetails(ctx, into...); err != nil {
			return nil, err
		}
		if raw[n-1].Payload() != nil { // there may be more
			continue
		}
		var details []any
		for _, r := range raw {
			if r.Payload() != nil {
				details = append(details, r)
			}
		}
		return details, nil
	}
}

// Heartbeat implements plugin.Events.
func (a *attempt) Heartbeat(details []*pluginv1.Payload) {
	if size := sizeOf(details); size > maxDetails {
		a.log(slog.LevelWarn, "heartbeat details were left out: they are larger than the server takes", "bytes", size, "limit", maxDetails)
	} else if len(details) > 0 {
		a.details = rawValues(details)
	}
	if now := time.Now(); now.Sub(a.beaten) >= beatEvery {
		a.beaten = now
		activity.RecordHeartbeat(a.ctx, a.details...)
	}
}

// lastBeat records the latest details, which the attempt may have sent just
// before its end.
func (a *attempt) lastBeat() {
	if len(a.details) > 0 && a.ctx.Err() == nil {
		activity.RecordHeartbeat(a.ctx, a.details...)
	}
}

func sizeOf(payloads []*pluginv1.Payload) int {
	n := 0
	for _, p := range payloads {
		n += len(p.GetData())
	}
	return n
}

func rawValues(payloads []*pluginv1.Payload) []any {
	values := make([]any, len(payloads))
	for i, p := range payloads {
		values[i] = converter.NewRawValue(&commonpb.Payload{Metadata: p.GetMetadata(), Data: p.GetData()})
	}
	return values
}

// Progress implements plugin.Events.
func (a *attempt) Progress(p *pluginv1.Progress) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.progress = p
}

// Log implements plugin.Events.
func (a *attempt) Log(l *pluginv1.Log) {
	ok, dropped := a.logs.take(time.Now())
	if !ok {
		return
	}
	dropped += l.GetDropped()
	level := slog.LevelInfo
	_ = level.UnmarshalText([]byte(l.GetLevel())) // an unknown level is logged as info
	attrs := make([]any, 0, 2*len(l.GetFields())+2)
	for k, v := range l.GetFields() {
		attrs = append(attrs, k, v)
	}
	if dropped > 0 {
		attrs = append(attrs, "dropped_before", dropped)
	}
	a.log(level, l.GetMessage(), attrs...)
}

func (a *attempt) log(level slog.Level, msg string, attrs ...any) {
	m := a.instance.Manifest
	if span := trace.SpanContextFromContext(a.ctx); span.IsSampled() {
		attrs = append(attrs, "trace_id", span.TraceID().String())
	}
	a.logger.With(
		"service", a.service, "workflow_id", a.info.WorkflowExecution.ID, "activity", a.info.ActivityType.Name,
		"attempt", a.info.Attempt, "plugin", m.GetName(), "version", m.GetVersion(),
	).Log(a.ctx, level, msg, attrs...)
}

// Running is an attempt as people see it.
type Running struct {
	Service    string    `json:"service,omitempty"`
	WorkflowID string    `json:"workflow_id"`
	RunID      string    `json:"run_id"`
	Activity   string    `json:"activity"`
	ActivityID string    `json:"activity_id"`
	Attempt    int32     `json:"attempt"`
	Plugin     string    `json:"plugin"`
	Version    string    `json:"version"`
	Started    time.Time `json:"started"`
	Message    string    `json:"message,omitempty"`
	Done       int64     `json:"done,omitempty"`
	Total      int64     `json:"total,omitempty"`
}

func (a *attempt) snapshot() Running {
	a.mu.Lock()
	defer a.mu.Unlock()
	return Running{
		Service: a.service, WorkflowID: a.info.WorkflowExecution.ID, RunID: a.info.WorkflowExecution.RunID,
		Activity: a.info.ActivityType.Name, ActivityID: a.info.ActivityID, Attempt: a.info.Attempt,
		Plugin: a.instance.Manifest.GetName(), Version: a.instance.Manifest.GetVersion(), Started: a.started,
		Message: a.progress.GetMessage(), Done: a.progress.GetDone(), Total: a.progress.GetTotal(),
	}
}
