package executor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
)

// StopOptions adjust one stop.
type StopOptions struct {
	Now   bool          // terminate at once, with no clean-up
	Grace time.Duration // how long a cancelled execution may take; default 30 s
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
// service with a stop_workflow has it started afterwards.
func (e *Executor) Stop(ctx context.Context, name string, o StopOptions) (*Stopped, error) {
	s, err := e.Service(name)
	if err != nil {
		return nil, err
	}
	if o.Grace <= 0 {
		o.Grace = 30 * time.Second
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
	if s.StopWorkflow == "" || o.Now {
		return out, nil
	}
	out.Cleanup, err = e.start(ctx, s, s.StopWorkflow, s.WorkflowID+"_stop", StartOptions{})
	return out, err
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
		}
	}
	if err := c.TerminateWorkflow(ctx, run.WorkflowID, run.RunID, stopReason); err != nil && !errors.As(err, &gone) {
		return "", fmt.Errorf("terminate workflow %s: %w", run.WorkflowID, err)
	}
	return "terminated", nil
}
