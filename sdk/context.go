package sdk

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// Heartbeat stores details for the next attempt, should this one fail. The
// latest details win; liveness ticks by itself. It never blocks. Details are
// written as JSON; what cannot be written is logged and left out.
func Heartbeat(ctx context.Context, details any) {
	a := attemptOf(ctx)
	if a == nil {
		return
	}
	data, err := json.Marshal(details)
	if err != nil || len(data) > maxPayloadBytes {
		Logger(ctx).Warn("heartbeat details were left out", "bytes", len(data), "error", err)
		return
	}
	p := &pluginv1.Payload{Metadata: map[string][]byte{encodingKey: []byte(encodingJSON)}, Data: data}
	a.post(func() { a.heartbeat = &pluginv1.Heartbeat{Details: []*pluginv1.Payload{p}} })
}

// LastHeartbeat returns the details that the attempt before this one stored
// last, and whether there are any of type T.
func LastHeartbeat[T any](ctx context.Context) (T, bool) {
	var v T
	a := attemptOf(ctx)
	if a == nil || len(a.start.GetLastHeartbeat()) == 0 {
		return v, false
	}
	text, err := jsonOf(a.start.GetLastHeartbeat()[0])
	if err != nil || json.Unmarshal(text, &v) != nil {
		var zero T
		return zero, false
	}
	return v, true
}

// Progress tells people what the attempt is doing: a message and, when total
// is not 0, how far it has come. The latest wins. It never blocks.
func Progress(ctx context.Context, message string, done, total int64) {
	if a := attemptOf(ctx); a != nil {
		p := &pluginv1.Progress{Message: validText(message), Done: done, Total: total}
		a.post(func() { a.progress = p })
	}
}

// Info tells an attempt where it stands. All fields are zero outside one.
type Info struct {
	WorkflowID       string
	RunID            string
	WorkflowType     string
	ActivityID       string
	Attempt          int // from 1
	TaskQueue        string
	Namespace        string
	Service          string    // the orch.toml service, when the queue belongs to one
	Deadline         time.Time // zero: none
	HeartbeatTimeout time.Duration
	IdempotencyKey   string // equal on every attempt of the same activity
}

// GetInfo returns where the attempt stands.
func GetInfo(ctx context.Context) Info {
	a := attemptOf(ctx)
	if a == nil {
		return Info{}
	}
	i := a.start.GetInfo()
	return Info{
		WorkflowID: i.GetWorkflowId(), RunID: i.GetRunId(), WorkflowType: i.GetWorkflowType(),
		ActivityID: i.GetActivityId(), Attempt: int(i.GetAttempt()), TaskQueue: i.GetTaskQueue(),
		Namespace: i.GetNamespace(), Service: i.GetService(), Deadline: a.deadline,
		HeartbeatTimeout: i.GetHeartbeatTimeout().AsDuration(), IdempotencyKey: a.start.GetIdempotencyKey(),
	}
}

// TraceCarrier returns the W3C trace context (traceparent, tracestate,
// baggage) that came with the attempt; nil when there is none.
func TraceCarrier(ctx context.Context) map[string]string {
	if a := attemptOf(ctx); a != nil {
		return a.start.GetCarrier()
	}
	return nil
}

// Cleanup returns a context for clean-up calls: it is not cancelled with ctx,
// but ends when the grace period of the cancellation does (10 s when ctx is
// not cancelled).
func Cleanup(ctx context.Context) (context.Context, context.CancelFunc) {
	ends := time.Now().Add(10 * time.Second)
	if a := attemptOf(ctx); a != nil {
		a.mu.Lock()
		if !a.graceEnds.IsZero() {
			ends = a.graceEnds
		}
		a.mu.Unlock()
	}
	return context.WithDeadline(context.WithoutCancel(ctx), ends)
}

type stateDirKey struct{}

// StateDir is a folder of the plugin's own that survives its versions and
// restarts; valid in the Config function and in activities. Outside a plugin
// process it is a folder under the system's temporary one.
func StateDir(ctx context.Context) string {
	dir, _ := ctx.Value(stateDirKey{}).(string)
	if a := attemptOf(ctx); a != nil && a.stateDir != "" {
		dir = a.stateDir
	}
	if dir == "" {
		dir = filepath.Join(os.TempDir(), "orch-plugin-state")
		_ = os.MkdirAll(dir, 0o700) // the caller's first write reports a folder that cannot be made
	}
	return dir
}

// Logger returns the attempt's logger: its records carry workflow, activity
// and attempt when the host writes them. Outside an attempt it is the
// process's logger.
func Logger(ctx context.Context) *slog.Logger {
	if a := attemptOf(ctx); a != nil {
		return slog.New(&attemptHandler{attempt: a})
	}
	return slog.Default()
}
