package workflows

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"github.com/orch-host/orch/hostcore/progress"
)

// recordedContext is the source folder the recorded chat setups were given by their host.
const recordedContext = "/recorded/chat"

// TestRecordHistories runs every scenario on the Temporal server at ORCH_RECORD and keeps the histories in testdata.
// Record anew when a workflow gets a new way to go; a recorded one that no longer replays is a broken promise to runs
// that are under way, and is mended with workflow.GetVersion instead.
func TestRecordHistories(t *testing.T) {
	address := os.Getenv("ORCH_RECORD")
	if address == "" {
		t.Skip("recording needs a server: set ORCH_RECORD=host:port")
	}
	c, err := client.Dial(client.Options{HostPort: address, Identity: "recorder", Logger: log.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) { recordOne(t, c, s) })
	}
}

func recordOne(t *testing.T, c client.Client, s scenario) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	queue := s.name + "-queue"
	w := &world{answers: map[string]any{}}
	reached := make(chan struct{}, 1)
	for name, answer := range s.answers {
		if fn, ok := answer.(func(context.Context, call) (any, error)); ok && name == s.cancelIn {
			answer = func(ctx context.Context, c call) (any, error) {
				reached <- struct{}{}
				return fn(ctx, c)
			}
		}
		w.answers[name] = answer
	}
	host := worker.New(c, queue, worker.Options{
		Identity: "recorder", MaxHeartbeatThrottleInterval: 100 * time.Millisecond, DefaultHeartbeatThrottleInterval: 100 * time.Millisecond,
	})
	stopping := func(_ context.Context, id string) (bool, error) { return id == "stopping_1", nil }
	Register(host, Options{ChatContext: recordedContext, Stopping: stopping})
	host.RegisterDynamicActivity(w.act, activity.DynamicRegisterOptions{})
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	defer host.Stop()
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: s.name, TaskQueue: queue}, s.workflow, s.args...)
	if err != nil {
		t.Fatal(err)
	}
	if s.cancelIn != "" {
		<-reached
		if err := c.CancelWorkflow(ctx, s.name, run.GetRunID()); err != nil {
			t.Fatal(err)
		}
	}
	var result string
	runErr := run.Get(ctx, &result)
	info, err := c.DescribeWorkflowExecution(ctx, s.name, run.GetRunID())
	if err != nil {
		t.Fatal(err)
	}
	if got := info.GetWorkflowExecutionInfo().GetStatus().String(); got != s.status || result != s.result {
		t.Errorf("closed as %s with %q, %v, want %s with %q", got, result, runErr, s.status, s.result)
	}
	checkProgress(t, c, s, run.GetRunID())
	var history historypb.History
	events := c.GetWorkflowHistory(ctx, s.name, run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		if a := e.GetWorkflowTaskScheduledEventAttributes(); a.GetTaskQueue().GetNormalName() != "" {
			a.TaskQueue.Name = "sticky" // holds the name of the recording machine
		}
		history.Events = append(history.Events, e)
	}
	j, err := temporalproto.CustomJSONMarshalOptions{}.Marshal(&history)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := json.Indent(&text, j, "", " "); err != nil {
		t.Fatal(err)
	}
	text.WriteByte('\n')
	if err := os.WriteFile(filepath.Join("testdata", s.name+".json"), text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// checkProgress asks the closed run for its progress, as the command line does.
func checkProgress(t *testing.T, c client.Client, s scenario, runID string) {
	t.Helper()
	v, err := c.QueryWorkflow(t.Context(), s.name, runID, progress.Query)
	if err != nil {
		t.Fatal(err)
	}
	var p progress.Progress
	if err := v.Get(&p); err != nil {
		t.Fatal(err)
	}
	want := map[string]progress.State{"Completed": progress.OK, "Failed": progress.Failed, "Canceled": progress.Canceled}[s.status]
	if IsFailure(s.result) {
		want = progress.Failed
	}
	if p.State != want || p.Result != s.result {
		t.Errorf("progress %+v, want state %s", p, want)
	}
	if s.name == "LogsPipelineWorkflow-failed" {
		i := slices.IndexFunc(p.Steps, func(s progress.Step) bool { return s.Name == "start_loki_activity" })
		if p.Steps[i].Attempt != 3 || p.Steps[i].TookMS < 2900 {
			t.Errorf("progress of the failed step: %+v", p.Steps[i])
		}
	}
}
