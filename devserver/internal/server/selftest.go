package server

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/server/common/primitives"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"
)

const probeName = "orch-devserver-self-test"

// UnusableError says that the server runs on the database and does no work.
type UnusableError struct {
	Path string
	Err  error
}

func (e *UnusableError) Error() string {
	return fmt.Sprintf("database %s is unusable: a test workflow did not get through the server: %v; "+
		"a write-ahead log that belongs to another database is the known cause. "+
		"Restore a backup (the file with its -wal and -shm), or start a new database: mkdir %s.old && mv %s %s-* %s.version %s.old/",
		e.Path, e.Err, e.Path, e.Path, e.Path, e.Path, e.Path)
}

func (e *UnusableError) Unwrap() error { return e.Err }

// selfTest starts a workflow without steps in Temporal's own namespace, fetches
// its task and completes it: that goes through the history store, the transfer
// queue and the matching service, which is the way that a broken database
// blocks in silence.
func selfTest(ctx context.Context, frontend string) error {
	conn, err := grpc.NewClient("passthrough:///"+frontend,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
	if err != nil {
		return err
	}
	defer conn.Close()
	p := probe{client: workflowservice.NewWorkflowServiceClient(conn), id: probeName + "-" + uuid.NewString()}
	if deadline, ok := ctx.Deadline(); ok {
		p.limit = time.Until(deadline)
	}
	if err := p.start(ctx); err != nil {
		return fmt.Errorf("start the test workflow: %w", err)
	}
	for {
		done, err := p.work(ctx)
		if err != nil {
			return err
		}
		if done {
			return nil
		}
	}
}

type probe struct {
	client workflowservice.WorkflowServiceClient
	id     string
	limit  time.Duration
}

func (p probe) start(ctx context.Context) error {
	_, err := p.client.StartWorkflowExecution(ctx, &workflowservice.StartWorkflowExecutionRequest{
		Namespace:                primitives.SystemLocalNamespace,
		WorkflowId:               p.id,
		WorkflowType:             &commonpb.WorkflowType{Name: probeName},
		TaskQueue:                p.queue(),
		WorkflowExecutionTimeout: durationpb.New(max(p.limit, time.Second)),
		Identity:                 probeName,
		RequestId:                uuid.NewString(),
	}, grpc.WaitForReady(true))
	return err
}

// work takes one task off the queue and completes its workflow. A task may
// belong to the probe of a server that was killed; that one is completed too.
func (p probe) work(ctx context.Context) (done bool, err error) {
	task, err := p.client.PollWorkflowTaskQueue(ctx, &workflowservice.PollWorkflowTaskQueueRequest{
		Namespace: primitives.SystemLocalNamespace,
		TaskQueue: p.queue(),
		Identity:  probeName,
	})
	if err != nil {
		return false, fmt.Errorf("wait for its task: %w", err)
	}
	if len(task.GetTaskToken()) == 0 {
		return false, ctx.Err() // a long poll that ended empty
	}
	mine := task.GetWorkflowExecution().GetWorkflowId() == p.id
	_, err = p.client.RespondWorkflowTaskCompleted(ctx, &workflowservice.RespondWorkflowTaskCompletedRequest{
		Namespace: primitives.SystemLocalNamespace,
		TaskToken: task.GetTaskToken(),
		Identity:  probeName,
		Commands: []*commandpb.Command{{
			CommandType: enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
			Attributes: &commandpb.Command_CompleteWorkflowExecutionCommandAttributes{
				CompleteWorkflowExecutionCommandAttributes: &commandpb.CompleteWorkflowExecutionCommandAttributes{},
			},
		}},
	})
	if err != nil && mine {
		return false, fmt.Errorf("complete it: %w", err)
	}
	return mine, nil
}

func (p probe) queue() *taskqueuepb.TaskQueue {
	return &taskqueuepb.TaskQueue{Name: probeName, Kind: enumspb.TASK_QUEUE_KIND_NORMAL}
}
