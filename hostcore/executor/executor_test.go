package executor

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workerpb "go.temporal.io/api/worker/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/orch-host/orch/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a Temporal server with one execution at the most.
type server struct {
	client.Client
	polled  time.Time // when a worker polled last
	pollers []string  // their identities
	stopped []string  // those that have said that they stop
	idle    bool      // nobody polls for activities
	listed  []*workflowpb.WorkflowExecutionInfo

	mu        sync.Mutex
	state     enumspb.WorkflowExecutionStatus // UNSPECIFIED: there is no execution; guarded by mu once something runs beside the test
	stopping  bool                            // a clean-up runs
	refusal   error                           // answers a question for the execution; guarded by mu
	result    any
	failure   error
	onCancel  func()
	started   []client.StartWorkflowOptions
	params    []any
	canceled  bool
	terminate string
	ended     bool // when it was to be terminated
}

func (s *server) For(string) (client.Client, error)   { return s, nil }
func (s *server) Address() string                     { return "here:7233" }
func (s *server) Message(f *failurepb.Failure) string { return f.GetMessage() }
func (s *server) Decode(p *commonpb.Payload, into any) error {
	return converter.GetDefaultDataConverter().FromPayload(p, into)
}
func (s *server) WorkflowService() workflowservice.WorkflowServiceClient { return &service{server: s} }

func (s *server) status() enumspb.WorkflowExecutionStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

func (s *server) become(state enumspb.WorkflowExecutionStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = state
}

// service is the server's own API.
type service struct {
	workflowservice.WorkflowServiceClient
	server *server
}

func (s *service) ListWorkers(context.Context, *workflowservice.ListWorkersRequest, ...grpc.CallOption) (*workflowservice.ListWorkersResponse, error) {
	r := &workflowservice.ListWorkersResponse{}
	for _, identity := range s.server.pollers {
		r.Workers = append(r.Workers, &workerpb.WorkerListInfo{WorkerIdentity: identity, Status: enumspb.WORKER_STATUS_SHUTDOWN}) // one that was replaced
		if !slices.Contains(s.server.stopped, identity) {
			r.Workers = append(r.Workers, &workerpb.WorkerListInfo{WorkerIdentity: identity, Status: enumspb.WORKER_STATUS_RUNNING})
		}
	}
	return r, nil
}

func (s *service) DescribeTaskQueue(_ context.Context, in *workflowservice.DescribeTaskQueueRequest, _ ...grpc.CallOption) (*workflowservice.DescribeTaskQueueResponse, error) {
	r := &workflowservice.DescribeTaskQueueResponse{}
	if s.server.idle && in.GetTaskQueueType() == enumspb.TASK_QUEUE_TYPE_ACTIVITY {
		return r, nil
	}
	s.server.mu.Lock()
	at := s.server.polled
	s.server.mu.Unlock()
	if !at.IsZero() {
		if len(s.server.pollers) > 0 {
			for _, identity := range s.server.pollers {
				r.Pollers = append(r.Pollers, &taskqueuepb.PollerInfo{LastAccessTime: timestamppb.New(at), Identity: identity})
			}
			return r, nil
		}
		r.Pollers = []*taskqueuepb.PollerInfo{{LastAccessTime: timestamppb.New(at)}}
	}
	return r, nil
}

func (s *server) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	if s.stateOf(o.ID) == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return nil, &serviceerror.WorkflowExecutionAlreadyStarted{RunId: "run-1"}
	}
	s.started, s.params = append(s.started, o), args
	return &run{server: s}, nil
}

// stateOf is the state of the execution or of its clean-up.
func (s *server) stateOf(id string) enumspb.WorkflowExecutionStatus {
	if !strings.HasSuffix(id, "_stop") {
		return s.status()
	}
	if s.stopping {
		return enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	}
	return enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED
}

func (s *server) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	s.mu.Lock()
	refusal := s.refusal
	s.mu.Unlock()
	if refusal != nil {
		return nil, refusal
	}
	state := s.stateOf(id)
	if state == enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED {
		return nil, serviceerror.NewNotFound("no such workflow")
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{
		Status: state, Execution: &commonpb.WorkflowExecution{RunId: "run-1"}, Type: &commonpb.WorkflowType{Name: "W"}, StartTime: timestamppb.New(time.Unix(1_700_000_000, 0)),
	}}, nil
}

func (s *server) ListWorkflow(context.Context, *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	return &workflowservice.ListWorkflowExecutionsResponse{Executions: s.listed}, nil
}

func (s *server) GetWorkflow(context.Context, string, string) client.WorkflowRun {
	return &run{server: s}
}

func (s *server) QueryWorkflow(context.Context, string, string, string, ...any) (converter.EncodedValue, error) {
	return nil, errors.New("nobody answers")
}

func (s *server) CancelWorkflow(context.Context, string, string) error {
	s.canceled = true
	if s.onCancel != nil {
		s.onCancel()
	}
	return nil
}

func (s *server) TerminateWorkflow(_ context.Context, _, _, reason string, _ ...any) error {
	if s.ended {
		return serviceerror.NewNotFound("workflow execution already completed")
	}
	s.terminate = reason
	return nil
}

// run is its execution.
type run struct {
	client.WorkflowRun
	server *server
}

func (r *run) GetRunID() string { return "run-1" }

func (r *run) Get(_ context.Context, into any) error {
	if r.server.failure != nil {
		return r.server.failure
	}
	text, err := json.Marshal(r.server.result)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func executor(s *server) *Executor {
	cfg := config.Default()
	cfg.Temporal.WebUI = "http://ui"
	cfg.Services = map[string]config.Service{
		"knowledge_graph": {Name: "knowledge_graph", Workflow: "W", StopWorkflow: "Cleanup", TaskQueue: "q", WorkflowID: "knowledge_graph_1", Namespace: "default", Params: map[string]any{"a": 1, "b": 2}},
		"databases":       {Name: "databases", Workflow: "DatabasePipelineWorkflow", TaskQueue: "q", WorkflowID: "databases_1", Namespace: "default"},
		"group":           {Name: "group", Then: []string{"knowledge_graph"}},
	}
	return New(cfg, s)
}

func TestAStartUsesTheServicesNamesAndParameters(t *testing.T) {
	s := &server{polled: time.Now(), pollers: []string{"a/1", "b/1"}, stopped: []string{"a/1"}}
	got, err := executor(s).Start(t.Context(), "knowledge_graph", StartOptions{Params: map[string]any{"b": 3}})
	if err != nil {
		t.Fatal(err)
	}
	want := &Run{Service: "knowledge_graph", WorkflowID: "knowledge_graph_1", RunID: "run-1", Workflow: "W", TaskQueue: "q", Namespace: "default",
		WebUI: "http://ui/namespaces/default/workflows/knowledge_graph_1/run-1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{map[string]any{"a": 1, "b": 3}}, s.params); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
	if o := s.started[0]; o.TaskQueue != "q" || o.WorkflowIDConflictPolicy != enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL {
		t.Errorf("%+v", o)
	}
}

func TestAStartWaitsForPollsThatARestartedServerHasForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		began := time.Now()
		s.polled = began.Add(-2 * time.Minute)
		go func() {
			time.Sleep(3 * time.Second)
			s.mu.Lock()
			s.polled = time.Now()
			s.mu.Unlock()
		}()
		if _, err := executor(s).Start(t.Context(), "knowledge_graph", StartOptions{}); err != nil || time.Since(began) < 3*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestStartsThatAreRefused(t *testing.T) {
	tests := []struct {
		name, service string
		server        *server
		tells         []string
	}{
		{"an unknown service", "knowledge", &server{}, []string{`no service "knowledge"`, "did you mean knowledge_graph?"}},
		{"a service that only starts others", "group", &server{}, []string{"host run"}},
		{"a queue that nobody polls", "knowledge_graph", &server{}, []string{"nobody polls task queue q", "here:7233"}},
		{"a queue that was polled long ago", "knowledge_graph", &server{polled: time.Now().Add(-2 * time.Minute)}, []string{"nobody polls"}},
		{"a queue whose hosts have all said that they stop", "knowledge_graph", &server{polled: time.Now(), pollers: []string{"a/1", "b/1"}, stopped: []string{"a/1", "b/1"}}, []string{"nobody polls"}},
		{"a service whose plugin is missing", "databases", &server{polled: time.Now(), idle: true}, []string{"no host takes activities", "host plugin list"}},
		{"a service that is running", "knowledge_graph", &server{polled: time.Now(), state: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING},
			[]string{"already running since", "run run-1", "host stop knowledge_graph"}},
		{"a service that is being stopped", "knowledge_graph", &server{polled: time.Now(), stopping: true},
			[]string{"being stopped since", "knowledge_graph_1_stop"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := executor(tt.server).Start(t.Context(), tt.service, StartOptions{})
			for _, want := range tt.tells {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v, want %q in it", err, want)
				}
			}
			if len(tt.server.started) > 0 {
				t.Error("and yet something was started")
			}
		})
	}
}

func TestAStopCancelsAndTerminatesWhenTheGraceIsOver(t *testing.T) {
	const (
		running  = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
		canceled = enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED
		done     = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	)
	tests := []struct {
		name      string
		state     enumspb.WorkflowExecutionStatus
		becomes   enumspb.WorkflowExecutionStatus // two seconds after the cancellation
		options   StopOptions
		how       string
		terminate string
		took      time.Duration
		cleanup   bool
	}{
		{"it cleans up in time", running, canceled, StopOptions{Grace: DefaultStopGrace}, "canceled", "", 3 * time.Second, true},
		{"it ends by itself", running, done, StopOptions{Grace: DefaultStopGrace}, "ended by itself", "", 3 * time.Second, true},
		{"it does not listen", running, running, StopOptions{Grace: 5 * time.Second}, "terminated", "manual stop", 5 * time.Second, true},
		{"it has no time", running, canceled, StopOptions{}, "terminated", "manual stop", 0, true},
		{"now", running, running, StopOptions{Now: true}, "terminated", "manual stop", 0, false},
		{"it has ended before", done, done, StopOptions{}, "not running", "", 0, true},
		{"it was never started", enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED, 0, StopOptions{}, "not running", "", 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{state: tt.state, polled: time.Now()}
				s.onCancel = func() { time.AfterFunc(2*time.Second, func() { s.become(tt.becomes) }) }
				began := time.Now()
				out, err := executor(s).Stop(t.Context(), "knowledge_graph", tt.options)
				if err != nil {
					t.Fatal(err)
				}
				if s.canceled == (tt.options.Now || out.How == "not running") {
					t.Errorf("canceled: %v", s.canceled)
				}
				if out.How != tt.how || s.terminate != tt.terminate || time.Since(began) > tt.took {
					t.Errorf("%+v, terminated for %q, after %s", out, s.terminate, time.Since(began))
				}
				if started := len(s.started) == 1 && s.started[0].ID == "knowledge_graph_1_stop"; started != tt.cleanup {
					t.Errorf("clean-up started: %v", started)
				}
				time.Sleep(3 * time.Second) // the fake's timer
			})
		})
	}
}

func TestAStopThatIsUnderWayIsJoined(t *testing.T) {
	s := &server{polled: time.Now(), stopping: true}
	out, err := executor(s).Stop(t.Context(), "knowledge_graph", StopOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if out.Cleanup == nil || out.Cleanup.WorkflowID != "knowledge_graph_1_stop" || out.Cleanup.RunID != "run-1" || len(s.started) > 0 {
		t.Errorf("%+v, %d started", out, len(s.started))
	}
	out, err = executor(s).Stop(t.Context(), "knowledge_graph", StopOptions{Now: true})
	if err != nil || out.How != "terminated" || s.terminate != stopReason || out.Cleanup != nil {
		t.Errorf("now: %+v, terminated for %q, %v", out, s.terminate, err)
	}
}

func TestAStopThatComesTooLateDoesNotClaimToHaveTerminated(t *testing.T) {
	s := &server{polled: time.Now(), state: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, ended: true}
	out, err := executor(s).Stop(t.Context(), "knowledge_graph", StopOptions{Now: true})
	if err != nil || out.How != "ended by itself" {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestAStatusTellsHowItEnded(t *testing.T) {
	tests := []struct {
		name   string
		server *server
		state  string
		failed bool
		text   string
	}{
		{"never", &server{}, NeverStarted, false, ""},
		{"well", &server{state: enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, result: "fine"}, "completed", false, "fine"},
		{"with a number", &server{state: enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, result: 3.0}, "completed", false, "3"},
		{"with an object", &server{state: enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, result: json.RawMessage(`{"id": 12345678901234567890, "ok": true}`)}, "completed", false, `{"id":12345678901234567890,"ok":true}`},
		{"with nothing", &server{state: enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED}, "completed", false, ""},
		{"with an error text", &server{state: enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, result: "Error: no"}, "completed", true, "Error: no"},
		{"with a result that cannot be read", &server{state: enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, failure: errors.New("no key")}, "completed", true, "the result cannot be read: no key"},
		{"badly", &server{state: enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, failure: temporal.NewApplicationError("disk full", "Full")}, "failed", true, "disk full"},
		{"terminated", &server{state: enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, failure: &temporal.TerminatedError{}}, "terminated", true, "terminated"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st, err := executor(tt.server).Status(t.Context(), "knowledge_graph", "")
			if err != nil || st.State != tt.state || st.Failed() != tt.failed || st.Result+st.Error != tt.text {
				t.Errorf("%+v, failed %v, %v", st, st.Failed(), err)
			}
		})
	}
}

func TestTheReasonIsTheOneThatSaysMost(t *testing.T) {
	disk := temporal.NewApplicationError("disk full", "Full")
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"a plain error", errors.New("odd"), "odd"},
		{"a failure of the workflow", disk, "disk full"},
		{"the workflow's own word over a cause", temporal.NewApplicationErrorWithOptions("not healthy; rolled back", "Unhealthy", temporal.ApplicationErrorOptions{Cause: disk}), "not healthy; rolled back"},
		{"a cancellation", temporal.NewCanceledError(), "canceled"},
	}
	for _, tt := range tests {
		if got := Reason(tt.err); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
