package workflows

import (
	"cmp"
	"encoding/json"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

func logsThenIngest() spec {
	return spec{
		name:     "run_logs_pipeline_then_stdout_ingest",
		summary:  "bring the logs pipeline up, then start the stdout ingest",
		children: []string{logsPipeline().name, stdoutIngest().name},
	}
}

// RunLogsPipelineThenStdoutIngest runs LogsPipelineWorkflow and, when that has succeeded,
// ApplicationStdoutIngestWorkflow, as child workflows. Its result is the ingest's. Its one argument says how to start
// each of the two; every key has a default:
//
//	{
//	  "logs":   {"workflow_id": "logs-pipeline_1", "task_queue": "logs-pipeline-queue", "params": {...}},
//	  "ingest": {"workflow_id": "stdout-ingest_1", "task_queue": "stdout-ingest-queue", "params": {...}}
//	}
//
// workflow_id defaults to the parent's id with "-logs" or "-ingest" behind it, task_queue to the parent's queue, params
// to null. Whoever starts it names the two services' ids and queues, so that "one running execution per service" holds
// for the children too: a child whose id is already running fails the run, which says so. Canceling the parent cancels
// the child that runs and waits for it; terminating the parent cancels the child.
func RunLogsPipelineThenStdoutIngest(ctx workflow.Context, params Arg) (string, error) {
	f := begin(ctx, logsThenIngest())
	p := f.params(params)
	f.child(logsPipeline().name, "logs", p)
	ingest := f.child(stdoutIngest().name, "ingest", p)
	return f.done(ingest)
}

// childParams say how to start a child workflow.
type childParams struct {
	WorkflowID string          `json:"workflow_id"`
	TaskQueue  string          `json:"task_queue"`
	Params     json.RawMessage `json:"params"`
}

// child runs a child workflow as one step, started as p says under key, and returns its result text.
func (f *flow) child(name, key string, p object) string {
	if f.ended() {
		return ""
	}
	var how childParams
	if j := p[key]; !falsy(j) {
		if err := json.Unmarshal(j, &how); err != nil {
			f.refuse("InvalidParams", "%s: params.%s must hold workflow_id, task_queue and params: %v", f.spec.name, key, err)
			return ""
		}
	}
	how.WorkflowID = cmp.Or(how.WorkflowID, workflow.GetInfo(f.ctx).WorkflowExecution.ID+"-"+key)
	result, err := f.execChild(name, how)
	if isAlreadyRunning(err) {
		err = temporal.NewNonRetryableApplicationError(alreadyRunning(name, how.WorkflowID)+": stop it first, or wait for it", "AlreadyRunning", nil)
	}
	if err != nil {
		f.fail(err)
	}
	return result
}

// execChild runs a child workflow as one step, without ending the flow when it fails. A declared pipeline may answer
// anything, not only text.
func (f *flow) execChild(name string, how childParams) (result string, err error) {
	ctx := workflow.WithChildOptions(f.ctx, workflow.ChildWorkflowOptions{
		WorkflowID:          how.WorkflowID,
		TaskQueue:           cmp.Or(how.TaskQueue, workflow.GetInfo(f.ctx).TaskQueueName),
		WaitForCancellation: true,
		ParentClosePolicy:   enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
		StaticSummary:       summary(name),
	})
	var arg any
	if len(how.Params) > 0 {
		arg = how.Params
	}
	finish := f.progress.Start(name)
	var raw converter.RawValue
	err = settle(ctx, workflow.ExecuteChildWorkflow(ctx, name, arg).Get(ctx, &raw))
	end := endOf(err)
	if isAlreadyRunning(err) {
		end.Error = alreadyRunning(name, how.WorkflowID)
	}
	finish(end)
	return value{raw}.text(), err
}

func isAlreadyRunning(err error) bool { return temporal.IsWorkflowExecutionAlreadyStartedError(err) }

func alreadyRunning(name, id string) string {
	return fmt.Sprintf("%s is already running as %s", name, id)
}
