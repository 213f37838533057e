package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/progress"
)

// Status is where a service stands.
type Status struct {
	Service     string             `json:"service"`
	Description string             `json:"description,omitempty"`
	Workflow    string             `json:"workflow"`
	State       string             `json:"state"` // never started, running, completed, failed, canceled, terminated, timed out
	WorkflowID  string             `json:"workflow_id"`
	RunID       string             `json:"run_id,omitempty"`
	TaskQueue   string             `json:"task_queue"`
	Started     time.Time          `json:"started,omitzero"`
	Closed      time.Time          `json:"closed,omitzero"`
	Result      string             `json:"result,omitempty"` // a text as it is, anything else as JSON
	Error       string             `json:"error,omitempty"`
	Progress    *progress.Progress `json:"progress,omitempty"`
	Pending     []Pending          `json:"pending,omitempty"`
	WebUI       string             `json:"web_ui,omitempty"`
}

// Pending is an activity that has been scheduled and has not ended.
type Pending struct {
	Activity    string    `json:"activity"`
	State       string    `json:"state"`
	Attempt     int32     `json:"attempt"`
	LastFailure string    `json:"last_failure,omitempty"`
	NextAttempt time.Time `json:"next_attempt,omitzero"`
}

// NeverStarted is the state of a service without an execution.
const NeverStarted = "never started"

// Failed says whether the execution ended badly, its result text included, or
// with a result that cannot be read here.
func (s *Status) Failed() bool {
	switch s.State {
	case "failed", "terminated", "timed out", "canceled":
		return true
	}
	return Failed(s.Result) || s.Error != ""
}

// Closed says whether the execution has ended.
func (s *Status) Ended() bool { return s.State != "running" && s.State != NeverStarted }

var states = map[enumspb.WorkflowExecutionStatus]string{
	enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:          "running",
	enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:        "completed",
	enumspb.WORKFLOW_EXECUTION_STATUS_FAILED:           "failed",
	enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:         "canceled",
	enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:       "terminated",
	enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW: "running",
	enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:        "timed out",
	enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED:           "running",
}

// Status describes a service's execution: the latest one, or the run given.
func (e *Executor) Status(ctx context.Context, name, runID string) (*Status, error) {
	s, err := e.Service(name)
	if err != nil {
		return nil, err
	}
	return e.status(ctx, s, s.WorkflowID, runID)
}

// Statuses describes every service, sorted by name, without step progress.
func (e *Executor) Statuses(ctx context.Context) ([]*Status, error) {
	var all []*Status
	for _, name := range slices.Sorted(maps.Keys(e.cfg.Services)) {
		s := e.cfg.Services[name]
		st, err := e.describe(ctx, s, s.WorkflowID, "")
		if err != nil {
			return all, err
		}
		all = append(all, st)
	}
	return all, nil
}

func (e *Executor) status(ctx context.Context, s config.Service, id, runID string) (*Status, error) {
	st, err := e.describe(ctx, s, id, runID)
	if err != nil || st.State == NeverStarted {
		return st, err
	}
	c, err := e.clients.For(s.Namespace)
	if err != nil {
		return nil, err
	}
	st.Progress = queryProgress(ctx, c, id, st.RunID)
	return st, nil
}

// queryProgress asks the workflow itself; nil when no worker answers.
func queryProgress(ctx context.Context, c client.Client, id, runID string) *progress.Progress {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	v, err := c.QueryWorkflow(ctx, id, runID, progress.Query)
	if err != nil {
		return nil // a workflow without the query, or nobody who could answer it: the status says the rest
	}
	var p progress.Progress
	if v.Get(&p) != nil {
		return nil
	}
	return &p
}

// describe is the status without asking the workflow.
func (e *Executor) describe(ctx context.Context, s config.Service, id, runID string) (*Status, error) {
	c, err := e.clients.For(s.Namespace)
	if err != nil {
		return nil, err
	}
	st := &Status{Service: s.Name, Description: s.Description, Workflow: s.WorkflowType(), WorkflowID: id, TaskQueue: s.TaskQueue, State: NeverStarted}
	d, err := c.DescribeWorkflowExecution(ctx, id, runID)
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return st, nil
	}
	if err != nil {
		return nil, fmt.Errorf("describe workflow %s on %s: %w", id, e.clients.Address(), err)
	}
	info := d.GetWorkflowExecutionInfo()
	st.State = states[info.GetStatus()]
	st.RunID = info.GetExecution().GetRunId()
	st.Workflow = info.GetType().GetName()
	st.Started = info.GetStartTime().AsTime()
	if info.GetCloseTime() != nil {
		st.Closed = info.GetCloseTime().AsTime()
	}
	st.WebUI = e.webUI(s, &Run{WorkflowID: id, RunID: st.RunID, Namespace: s.Namespace})
	for _, p := range d.GetPendingActivities() {
		st.Pending = append(st.Pending, e.pendingOf(p))
	}
	if st.Ended() {
		e.verdict(ctx, c, st)
	}
	return st, nil
}

func (e *Executor) pendingOf(p *workflowpb.PendingActivityInfo) Pending {
	out := Pending{Activity: p.GetActivityType().GetName(), State: p.GetState().String(), Attempt: p.GetAttempt(),
		LastFailure: e.clients.Message(p.GetLastFailure())}
	if p.GetNextAttemptScheduleTime() != nil {
		out.NextAttempt = p.GetNextAttemptScheduleTime().AsTime()
	}
	return out
}

// verdict fills in the result or the error of a closed execution.
func (e *Executor) verdict(ctx context.Context, c client.Client, st *Status) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var result any
	run := c.GetWorkflow(ctx, st.WorkflowID, st.RunID)
	if err := run.Get(ctx, &result); err != nil {
		st.Error = Reason(err)
		if st.State == "completed" { // its result is there, but not for us
			st.Error = "the result cannot be read: " + st.Error
		}
		return
	}
	if text, ok := result.(string); ok {
		st.Result = text
	} else if result != nil {
		var text json.RawMessage // as it is stored: an any would round large numbers
		if run.Get(ctx, &text) != nil {
			text, _ = json.Marshal(result) // bytes, which are no JSON
		}
		st.Result = string(text)
	}
}
