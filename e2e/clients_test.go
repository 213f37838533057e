package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// caller runs a workflow of the test's own, on a queue of its own.
func caller(t *testing.T, r *rig, c client.Client, fn any, into any, args ...any) error {
	t.Helper()
	queue := r.service + "-caller"
	w := worker.New(c, queue, worker.Options{})
	w.RegisterWorkflow(fn)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: queue}, fn, args...)
	if err != nil {
		t.Fatal(err)
	}
	return run.Get(ctx, into)
}

// call is a plain workflow that calls one activity by name on a service's queue.
func call(ctx workflow.Context, queue, activity, argument string) (map[string]any, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: queue, StartToCloseTimeout: time.Minute, HeartbeatTimeout: 30 * time.Second,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
	})
	var out map[string]any
	err := workflow.ExecuteActivity(ctx, activity, argument).Get(ctx, &out)
	return out, err
}

func TestOtherClientsCallActivitiesAndStartWorkflowsByName(t *testing.T) {
	docker := engine(t)
	r := databases(t, docker, "")
	r.start()
	c := r.client(client.Options{})

	var out map[string]any
	if err := caller(t, r, c, call, &out, r.service+"-queue", "start_qdrant_container", r.service); err != nil {
		t.Fatal(err)
	}
	id := r.containers(docker)[r.service+"-qdrant"]
	if out["name"] != r.service+"-qdrant" || out["action"] != "created" || out["container_id"] != id || id == "" {
		t.Errorf("start_qdrant_container made %v; Docker has %q", out, id)
	}

	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "elsewhere", TaskQueue: r.service + "-queue"}, "DatabasePipelineWorkflow", r.service)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.result(c, run.GetID()); got != pipelineResult {
		t.Errorf("want the result %q, got %q", pipelineResult, got)
	}
	if now := r.checkContainers(docker)[r.service+"-qdrant"]; now != id {
		t.Errorf("the pipeline made another Qdrant container than the activity: %s, was %s", now, id)
	}
}

// TestTheTemporalCommandLineStartsAWorkflow runs where the temporal command is
// on the PATH, or ORCH_TEMPORAL_CLI names it: building it takes minutes.
func TestTheTemporalCommandLineStartsAWorkflow(t *testing.T) {
	cli := os.Getenv("ORCH_TEMPORAL_CLI")
	if cli == "" {
		var err error
		if cli, err = exec.LookPath("temporal"); err != nil {
			t.Skip("the temporal command is not on the PATH: go install github.com/temporalio/cli/cmd/temporal@v1.5.1")
		}
	}
	r := databases(t, engine(t), "")
	r.start()
	out, err := exec.CommandContext(t.Context(), cli, "workflow", "execute", "--address", fmt.Sprintf("127.0.0.1:%d", r.port),
		"--type", "DatabasePipelineWorkflow", "--task-queue", r.service+"-queue", "--input", fmt.Sprintf("%q", r.service)).CombinedOutput()
	if err != nil || !strings.Contains(string(out), pipelineResult) {
		t.Errorf("want the result %q, got %v:\n%s", pipelineResult, err, out)
	}
}

// codec hides payloads from everybody who has not got it.
type codec struct{}

func (codec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		data, err := p.Marshal()
		if err != nil {
			return nil, err
		}
		out[i] = &commonpb.Payload{Metadata: map[string][]byte{converter.MetadataEncoding: []byte("binary/hidden"), "key": {0xff, 0}}, Data: flip(data)}
	}
	return out, nil
}

func (codec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		if string(p.GetMetadata()[converter.MetadataEncoding]) != "binary/hidden" {
			out[i] = p // an answer of somebody who has no codec
			continue
		}
		if !slices.Equal(p.GetMetadata()["key"], []byte{0xff, 0}) {
			return nil, errors.New("the payload has lost its metadata")
		}
		out[i] = &commonpb.Payload{}
		if err := out[i].Unmarshal(flip(p.GetData())); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func flip(data []byte) []byte {
	out := make([]byte, len(data))
	for i, b := range data {
		out[i] = ^b
	}
	return out
}

// echo wants back what it sends.
func echo(ctx workflow.Context, queue, activity, text string) (string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: queue, StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
	})
	var out string
	err := workflow.ExecuteActivity(ctx, activity, text).Get(ctx, &out)
	return out, err
}

func TestPayloadsThatTheHostCannotReadReachThePluginAndComeBackUntouched(t *testing.T) {
	r := newRig(t, []string{built + "/raw", bin("plugins", "greeter")}, `
[services.{service}]
workflow = "NobodysWorkflow"
plugins = ["raw", "greeter"]
`)
	r.start()
	hidden := r.client(client.Options{DataConverter: converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), codec{})})

	t.Run("a plugin that has the key gets every byte", func(t *testing.T) {
		var out string
		if err := caller(t, r, hidden, echo, &out, r.service+"-queue", "raw_echo", "nobody may read this"); err != nil {
			t.Fatal(err)
		}
		if out != "nobody may read this" {
			t.Errorf("came back as %q", out)
		}
	})
	t.Run("a plugin of the SDK, which has no key, says so", func(t *testing.T) {
		var out string
		err := caller(t, r, hidden, echo, &out, r.service+"-queue", "greet", "nobody may read this")
		var failure *temporal.ApplicationError
		if !errors.As(err, &failure) || failure.Type() != "InvalidInput" || !failure.NonRetryable() {
			t.Fatalf("want a final InvalidInput, got %v", err)
		}
		if want := `activity greet: a payload with encoding "binary/hidden", want json/plain`; failure.Message() != want {
			t.Errorf("want %q, got %q", want, failure.Message())
		}
	})
	t.Run("an activity that nobody offers is named, with those that are offered", func(t *testing.T) {
		var out string
		err := caller(t, r, hidden, echo, &out, r.service+"-queue", "gret", "x")
		var failure *temporal.ApplicationError
		want := fmt.Sprintf("no plugin on this host offers the activity %q; offered are: greet, greet_all, raw_echo", "gret")
		if !errors.As(err, &failure) || failure.Type() != "PluginUnavailable" || failure.Message() != want {
			t.Errorf("want %q, got %v", want, err)
		}
	})
}
