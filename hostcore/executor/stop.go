package executor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/workflows"
)

// DefaultStopGrace is how long a cancelled execution usually may take.
const DefaultStopGrace = 30 * time.Second

// StopOptions adjust one stop.
type StopOptions struct {
	Now   bool          // terminate at once, with no clean-up
	Grace time.Duration // how long a cancelled execution may take; zero: it is terminated right after the cancellation
}

// Stopped says what a stop did.
type Stopped struct {
	Service    string `json:"service"`
	WorkflowID string `json:"workflow_id"`
	RunID      string `json:"run_id,omitempty"`
	How        string `json:"how"`               // not running, canceled, terminated, ended by itself
	Cleanup    *Run   `json:"cleanup,omitempty"` // the stop_workflow that was started
}

// Stop ends a service's execution: it cancels, so that running activities clean
// up, and terminates with the reason "manual stop" when the grace is over. A
// service with a stop_workflow has it started afterwards; one that runs already
// is the clean-up of this stop too. With Now, it is terminated instead.
func (e *Executor) Stop(ctx context.Context, name string, o StopOptions) (*Stopped, error) {
	s, err := e.Service(name)
	if err != nil {
		return nil, err
	}
	out := &Stopped{Service: name, WorkflowID: s.WorkflowID, How: "not running"}
	st, err := e.describe(ctx, s, s.WorkflowID, "")
	if err != nil {
		return nil, err
	}
	if st.State == "running" {
		out.RunID = st.RunID
		if out.How, err = e.end(ctx, s.Namespace, &Run{Service: name, WorkflowID: s.WorkflowID, RunID: st.RunID}, o); err != nil {
			return nil, err
		}
	}
	if s.StopWorkflow == "" {
		return out, nil
	}
	if o.Now {
		return out, e.endCleanup(ctx, s, out)
	}
	out.Cleanup, err = e.start(ctx, s, s.StopWorkflow, stopID(s), StartOptions{})
	var already *AlreadyRunningError
	if errors.As(err, &already) { // somebody else stops it too
		out.Cleanup, err = &already.Run, nil
	}
	return out, err
}

// endCleanup terminates a clean-up that an earlier stop has left running.
func (e *Executor) endCleanup(ctx context.Context, s config.Service, out *Stopped) error {
	var running *StoppingError
	if err := e.stopping(ctx, s); !errors.As(err, &running) {
		return err
	}
	how, err := e.end(ctx, s.Namespace, &running.Run, StopOptions{Now: true})
	if err == nil {
		out.How = how
	}
	return err
}

// stopID is the id of the execution that takes down what a service set up.
func stopID(s config.Service) string { return workflows.StopID(s.WorkflowID) }

// Stopping says whether the stop_workflow runs of the service whose workflow has
// this id.
func (e *Executor) Stopping(ctx context.Context, namespace, workflowID string) (bool, error) {
	info, err := e.cleanup(ctx, namespace, workflows.StopID(workflowID))
	return info != nil, err
}

// cleanup describes the execution with this id if it runs; nil when it does not.
func (e *Executor) cleanup(ctx context.Context, namespace, id string) (*workflowpb.WorkflowExecutionInfo, error) {
	c, err := e.clients.For(namespace)
	if err != nil {
		return nil, err
	}
	d, err := c.DescribeWorkflowExecution(ctx, id, "")
	var none *serviceerror.NotFound
	if errors.As(err, &none) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("describe workflow %s on %s: %w", id, e.clients.Address(), err)
	}
	info := d.GetWorkflowExecutionInfo()
	if states[info.GetStatus()] != "running" {
		return nil, nil
	}
	return info, nil
}

// StoppingError says that what a service set up is being taken down.
type StoppingError struct {
	Run
	Since time.Time
}

func (e *StoppingError) Error() string {
	return fmt.Sprintf("%s is being stopped since %s (workflow %s), which would take down what a start sets up: host stop %s waits for it, host stop --now %s ends it; see %s",
		e.Service, e.Since.Local().Format(time.DateTime), e.WorkflowID, e.Service, e.Service, e.WebUI)
}

// stopping refuses a service whose stop_workflow runs.
func (e *Executor) stopping(ctx context.Context, s config.Service) error {
	info, err := e.cleanup(ctx, s.Namespace, stopID(s))
	if info == nil {
		return err
	}
	run := Run{Service: s.Name, WorkflowID: stopID(s), RunID: info.GetExecution().GetRunId(), Workflow: s.StopWorkflow, TaskQueue: s.TaskQueue, Namespace: s.Namespace}
	run.WebUI = e.webUI(s, &run)
	return &StoppingError{Run: run, Since: info.GetStartTime().AsTime()}
}

func (e *Executor) end(ctx context.Context, namespace string, run *Run, o StopOptions) (string, error) {
	c, err := e.clients.For(namespace)
	if err != nil {
		return "", err
	}
	var gone *serviceerror.NotFound
	if !o.Now {
		if err := c.CancelWorkflow(ctx, run.WorkflowID, run.RunID); err != nil && !errors.As(err, &gone) {
			return "", fmt.Errorf("cancel workflow %s: %w", run.WorkflowID, err)
		}
		wait, cancel := context.WithTimeout(ctx, o.Grace)
		st, err := e.Watch(wait, run, nil)
		cancel()
		switch {
		case err == nil && st.State == "canceled":
			return "canceled", nil
		case err == nil:
			return "ended by itself", nil
		case ctx.Err() != nil:
			return "", ctx.Err()
		case !errors.Is(err, context.DeadlineExceeded) && !errors.As(err, new(*GoneError)):
			return "", err
		}
	}
	switch err := c.TerminateWorkflow(ctx, run.WorkflowID, run.RunID, stopReason); {
	case errors.As(err, &gone):
		return "ended by itself", nil
	case err != nil:
		return "", fmt.Errorf("terminate workflow %s: %w", run.WorkflowID, err)
	}
	return "terminated", nil
}
