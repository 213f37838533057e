package pipeline

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/orch-host/orch/hostcore/embedded/embeddedtest"
	"github.com/orch-host/orch/hostcore/progress"
)

// record makes the tests that run on a server write the histories they leave into testdata.
var record = flag.Bool("record", false, "write histories into testdata")

// server is that of this package's tests.
var server embeddedtest.Server

// stage is a server with one worker on a queue of its own. The server's address comes from ORCH_TEMPORAL.
type stage struct {
	client client.Client
	queue  string
	world  *world
	worker worker.Worker
}

func newStage(t *testing.T, w *world) *stage {
	t.Helper()
	address := server.Address(t, "../../bin/devserver")
	c, err := client.Dial(client.Options{HostPort: address, Logger: silent()})
	if err != nil {
		t.Fatalf("connect to Temporal at %s: %v", address, err)
	}
	t.Cleanup(c.Close)
	s := &stage{client: c, queue: "pipeline-test-" + strings.ReplaceAll(t.Name(), "/", "-") + time.Now().Format("-150405.000000"), world: w}
	s.startWorker(t)
	return s
}

// startWorker brings up a worker; one that runs is stopped first.
func (s *stage) startWorker(t *testing.T) {
	t.Helper()
	if s.worker != nil {
		s.worker.Stop()
	} else {
		t.Cleanup(func() { s.worker.Stop() })
	}
	s.worker = worker.New(s.client, s.queue, worker.Options{WorkerStopTimeout: 5 * time.Second})
	s.world.register(s.worker)
	s.worker.RegisterDynamicActivity(s.world.act, activity.DynamicRegisterOptions{})
	if err := s.worker.Start(); err != nil {
		t.Fatalf("start a worker: %v", err)
	}
}

func (s *stage) start(t *testing.T, workflowType string, args ...any) client.WorkflowRun {
	t.Helper()
	run, err := s.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: s.queue, WorkflowExecutionTimeout: 2 * time.Minute}, workflowType, args...)
	if err != nil {
		t.Fatalf("start %s: %v", workflowType, err)
	}
	return run
}

// history reads the whole history of a run that has ended.
func (s *stage) history(t *testing.T, run client.WorkflowRun) *historypb.History {
	t.Helper()
	h := &historypb.History{}
	for it := s.client.GetWorkflowHistory(t.Context(), run.GetID(), run.GetRunID(), true, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); it.HasNext(); {
		e, err := it.Next()
		if err != nil {
			t.Fatalf("read the history: %v", err)
		}
		h.Events = append(h.Events, e)
	}
	return h
}

// machine is what a history tells of the machine it was recorded on.
var machine = regexp.MustCompile(`"(identity|name)":\s*"([0-9]+@[^"]*|[^"]*:[0-9a-f-]{36})"`)

// keep writes a history into testdata when the tests are run with -record.
func (s *stage) keep(t *testing.T, name string, h *historypb.History) {
	t.Helper()
	if !*record {
		return
	}
	data, err := protojson.MarshalOptions{Indent: " "}.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	data = machine.ReplaceAll(data, []byte(`"${1}": "somewhere"`))
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("testdata", name+".json"), append(data, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// everything is a definition that uses all of the language.
const everything = `
description: all of the language in one run
args: [name, hosts]
params:
  required: [name]
  properties:
    name: {type: string}
    hosts: {type: array, default: [a, b, c]}
defaults: {timeout: 1m, heartbeat: 5s, retry: {initial: 10ms, max: 20ms}}
vars: {greeting: "hello ${{ params.name }}"}
steps:
  - log: ${{ vars.greeting }}
  - activity: configure
    input: {name: "${{ params.name }}", labels: "${{ merge({'a': 1}, {'b': 2}) }}"}
    save: conf
    compensate: {activity: unconfigure, input: "${{ vars.conf }}"}
  - sleep: 10ms
  - parallel:
      - {activity: left, save: left}
      - {activity: right, save: right}
  - id: each
    foreach: params.hosts
    as: host
    max_parallel: 2
    steps:
      - activity: push
        input: {host: "${{ host }}", index: "${{ index }}"}
        save: pushed
    collect: ${{ vars.pushed }}
    save: all
  - activity: flaky
    retry: {attempts: 2, initial: 10ms, max: 10ms}
    catch: {set: {why: "${{ error.message }}"}}
  - when: vars.conf.?fail.orValue(false)
    activity: broken
result: "${{ vars.greeting }}: ${{ vars.all }} ${{ vars.why }}"
on_failure: {activity: tell, input: "${{ error.type }}"}
`

// edited is the definition after somebody changed the file.
const edited = "args: [name, hosts]\nsteps: [{activity: something_else}, {sleep: 1h}]"

func everythingWorld(register func(Registrar), conf string) *world {
	return &world{register: register, answers: map[string]any{
		"configure": conf, "push": echo, "flaky": temporal.NewApplicationError("still down", "Down"), "broken": errBroken,
	}}
}

func TestARunKeepsItsDefinitionWhenTheFileChangesAndTheHostRestarts(t *testing.T) {
	reg := NewRegistry(load(t, map[string]string{"everything.yaml": everything}))
	w := everythingWorld(func(r Registrar) { Register(r, reg, Options{}) }, `{"ok":true}`)
	began, goOn := make(chan struct{}), make(chan struct{})
	w.answers["left"] = func(context.Context, call) (string, error) {
		close(began)
		<-goOn
		return `"l"`, nil
	}
	s := newStage(t, w)
	run := s.start(t, "pipeline/everything", "you", []string{"x", "y", "z"})
	<-began
	reg.Swap(load(t, map[string]string{"everything.yaml": edited}))
	close(goOn)
	worker.PurgeStickyWorkflowCache()
	s.startWorker(t) // a new worker knows nothing of the run but its history
	var got string
	if err := run.Get(t.Context(), &got); err != nil {
		t.Fatalf("the run failed: %v", err)
	}
	if want := `hello you: [{"host":"x","index":0},{"host":"y","index":1},{"host":"z","index":2}] still down`; got != want {
		t.Errorf("result %s, want %s", got, want)
	}
	s.keep(t, "everything_completed", s.history(t, run))

	if p := progressOf(t, s, run); p.State != progress.OK || p.Result != got {
		t.Errorf("progress of the closed run: %+v", p)
	}
}

func progressOf(t *testing.T, s *stage, run client.WorkflowRun) progress.Progress {
	t.Helper()
	v, err := s.client.QueryWorkflow(t.Context(), run.GetID(), run.GetRunID(), progress.Query)
	if err != nil {
		t.Fatalf("query: %v", err)
	}
	var p progress.Progress
	if err := v.Get(&p); err != nil {
		t.Fatalf("read the progress: %v", err)
	}
	return p
}

func TestAFailedRunOnAServerIsTakenBack(t *testing.T) {
	w := everythingWorld(declared(t, map[string]string{"everything.yaml": everything}), `{"fail":true}`)
	s := newStage(t, w)
	run := s.start(t, "pipeline/everything", map[string]any{"name": "you"})
	err := run.Get(t.Context(), nil)
	var failure *temporal.ApplicationError
	if !errors.As(err, &failure) || failure.Type() != "DockerDown" {
		t.Fatalf("ended with %v", err)
	}
	s.keep(t, "everything_failed", s.history(t, run))
	p := progressOf(t, s, run)
	for _, step := range p.Steps {
		if step.Name == "flaky" && (step.Attempt != 2 || step.State != progress.Failed) {
			t.Errorf("flaky: %+v", step)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	asked := (outcome{Calls: w.calls}).asked()
	if diff := cmp.Diff([]string{"broken", "unconfigure", "tell"}, asked[len(asked)-3:]); diff != "" {
		t.Errorf("the end of the run (-want +got):\n%s", diff)
	}
}

func TestACanceledRunWaitsForItsActivitiesAndIsTakenBack(t *testing.T) {
	w := everythingWorld(declared(t, map[string]string{"everything.yaml": everything}), `{"ok":true}`)
	var ended, cleaned atomic.Int32
	var once sync.Once
	began := make(chan struct{})
	w.answers["left"] = func(ctx context.Context, _ call) (string, error) {
		once.Do(func() { close(began) })
		for ctx.Err() == nil {
			activity.RecordHeartbeat(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
		ended.Add(1)
		return "", ctx.Err()
	}
	w.answers["unconfigure"] = func(context.Context, call) (string, error) {
		cleaned.Store(ended.Load())
		return "null", nil
	}
	s := newStage(t, w)
	run := s.start(t, "pipeline/everything", "you")
	<-began
	if err := s.client.CancelWorkflow(t.Context(), run.GetID(), run.GetRunID()); err != nil {
		t.Fatal(err)
	}
	if err := run.Get(t.Context(), nil); !temporal.IsCanceledError(err) {
		t.Fatalf("ended with %v, want canceled", err)
	}
	if cleaned.Load() != 1 {
		t.Error("it was taken back before its activity had ended")
	}
	d, err := s.client.DescribeWorkflowExecution(t.Context(), run.GetID(), run.GetRunID())
	if err != nil || d.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED {
		t.Errorf("status %v, %v", d.GetWorkflowExecutionInfo().GetStatus(), err)
	}
	if p := progressOf(t, s, run); p.State != progress.Canceled || !slices.ContainsFunc(p.Steps, func(s progress.Step) bool { return s.Name == "unconfigure" && s.State == progress.OK }) {
		t.Errorf("progress: %+v", p)
	}
	s.keep(t, "everything_canceled", s.history(t, run))
}
