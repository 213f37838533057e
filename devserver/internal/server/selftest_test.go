package server

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// frontend is a server that accepts every start, like the broken database of
// which the self test is to warn, and hands out what it is told to.
type frontend struct {
	workflowservice.UnimplementedWorkflowServiceServer
	mu        sync.Mutex
	stale     int // tasks of former probes to hand out first
	dead      bool
	started   string
	completed []string
}

func (f *frontend) StartWorkflowExecution(_ context.Context, r *workflowservice.StartWorkflowExecutionRequest) (*workflowservice.StartWorkflowExecutionResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.started = r.GetWorkflowId()
	return &workflowservice.StartWorkflowExecutionResponse{}, nil
}

func (f *frontend) PollWorkflowTaskQueue(ctx context.Context, _ *workflowservice.PollWorkflowTaskQueueRequest) (*workflowservice.PollWorkflowTaskQueueResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		f.mu.Unlock()
		<-ctx.Done()
		f.mu.Lock()
		return nil, ctx.Err()
	}
	id := f.started
	if f.stale > 0 {
		f.stale--
		id = "of a killed server"
	}
	return &workflowservice.PollWorkflowTaskQueueResponse{
		TaskToken: []byte(id), WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id}}, nil
}

func (f *frontend) RespondWorkflowTaskCompleted(_ context.Context, r *workflowservice.RespondWorkflowTaskCompletedRequest) (*workflowservice.RespondWorkflowTaskCompletedResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := string(r.GetTaskToken())
	f.completed = append(f.completed, id)
	if id != f.started {
		return nil, status.Error(codes.NotFound, "timed out long ago")
	}
	return &workflowservice.RespondWorkflowTaskCompletedResponse{}, nil
}

func (f *frontend) serve(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	workflowservice.RegisterWorkflowServiceServer(s, f)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return l.Addr().String()
}

func TestTheSelfTestEndsWhenItsOwnWorkflowWasServed(t *testing.T) {
	f := &frontend{stale: 2}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := selfTest(ctx, f.serve(t)); err != nil {
		t.Fatal(err)
	}
	if len(f.completed) != 3 || f.completed[2] != f.started {
		t.Errorf("completed %v, want two stale probes and then %s", f.completed, f.started)
	}
}

func TestAServerThatTakesWorkAndNeverRunsItIsCalledUnusable(t *testing.T) {
	s := &Server{address: (&frontend{dead: true}).serve(t)}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	err := s.prove(ctx, "/data/temporal.db")
	var unusable *UnusableError
	if !errors.As(err, &unusable) || unusable.Path != "/data/temporal.db" {
		t.Errorf("got %v, want an UnusableError", err)
	}
}

func TestASelfTestThatIsCalledOffBlamesNobody(t *testing.T) {
	s := &Server{address: (&frontend{dead: true}).serve(t)}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := s.prove(ctx, "/data/temporal.db")
	var unusable *UnusableError
	if err == nil || errors.As(err, &unusable) {
		t.Errorf("got %v, want an error that does not blame the database", err)
	}
}
