package workflows

import (
	"encoding/json"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// ScheduledStart is the workflow type that schedules run.
const ScheduledStart = "ScheduledStartWorkflow"

const (
	// stoppingChange marks the histories of runs that look for a clean-up first.
	stoppingChange = "orch-scheduled-stopping"
	// stoppingActivity is the local activity that looks.
	stoppingActivity = "orch_stopping"
)

func scheduledStart() spec {
	return spec{name: ScheduledStart, summary: "start a service because its schedule says so"}
}

// ScheduledStartWorkflow starts a service's workflow under the service's own id, as a child, and ends as it ends. A
// schedule alone cannot: it puts a time behind the id of every run it starts, and "one running execution per service"
// would not hold. A service that is running already, or that is being stopped, is left alone, and the result says so. Its one
// argument:
//
//	{"workflow": "LogsPipelineWorkflow", "workflow_id": "logs-pipeline_1", "task_queue": "logs-pipeline-queue", "params": {...}}
//
// task_queue defaults to the run's own, params to null.
func ScheduledStartWorkflow(ctx workflow.Context, params Arg) (string, error) {
	f := begin(ctx, scheduledStart())
	how := f.scheduled(f.params(params))
	if f.ended() {
		return f.done("")
	}
	stopping, err := f.stopping(how.WorkflowID)
	if err != nil {
		f.fail(err)
		return f.done("")
	}
	if stopping {
		return f.done(fmt.Sprintf("skipped: what %s has set up as %s is being taken down (workflow %s)", how.Workflow, how.WorkflowID, StopID(how.WorkflowID)))
	}
	result, err := f.execChild(how.Workflow, how.childParams)
	if isAlreadyRunning(err) {
		return f.done("skipped: " + alreadyRunning(how.Workflow, how.WorkflowID))
	}
	if err != nil {
		f.fail(err)
	}
	return f.done(result)
}

// StopID is the id of the execution that takes down what the workflow with this id has set up.
func StopID(workflowID string) string { return workflowID + "_stop" }

// stopping asks the host whether what the workflow with this id has set up is being taken down.
func (f *flow) stopping(workflowID string) (stopping bool, err error) {
	if workflow.GetVersion(f.ctx, stoppingChange, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return false, nil
	}
	ctx := workflow.WithLocalActivityOptions(f.ctx, workflow.LocalActivityOptions{
		StartToCloseTimeout: 10 * time.Second, ScheduleToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{MaximumInterval: 10 * time.Second},
	})
	if err := settle(ctx, workflow.ExecuteLocalActivity(ctx, stoppingActivity, workflowID).Get(ctx, &stopping)); err != nil {
		return false, temporal.NewApplicationError(fmt.Sprintf("look whether %s is being stopped: %s", workflowID, message(err)), "StoppingUnknown")
	}
	return stopping, nil
}

// scheduledParams say what a schedule starts.
type scheduledParams struct {
	Workflow string `json:"workflow"`
	childParams
}

func (f *flow) scheduled(p object) (how scheduledParams) {
	text, err := json.Marshal(p)
	if err == nil {
		err = json.Unmarshal(text, &how)
	}
	if err != nil || how.Workflow == "" || how.WorkflowID == "" {
		f.refuse("InvalidParams", "%s takes workflow, workflow_id, task_queue and params, the first two as non-empty strings", f.spec.name)
	}
	return how
}
