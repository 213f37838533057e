package workflows

import (
	"encoding/json"

	"go.temporal.io/sdk/workflow"
)

// ScheduledStart is the workflow type that schedules run.
const ScheduledStart = "ScheduledStartWorkflow"

func scheduledStart() spec {
	return spec{name: ScheduledStart, summary: "start a service because its schedule says so"}
}

// ScheduledStartWorkflow starts a service's workflow under the service's own id, as a child, and ends as it ends. A
// schedule alone cannot: it puts a time behind the id of every run it starts, and "one running execution per service"
// would not hold. A service that is running already is left alone, and the result says so. Its one argument:
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
	result, err := f.execChild(how.Workflow, how.childParams)
	if isAlreadyRunning(err) {
		return f.done("skipped: " + alreadyRunning(how.Workflow, how.WorkflowID))
	}
	if err != nil {
		f.fail(err)
	}
	return f.done(result)
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
