package executor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
)

// Reason is the text of a workflow's failure that people can act on: the
// innermost application failure, with the activity it came from.
func Reason(err error) string {
	var act *temporal.ActivityError
	var app *temporal.ApplicationError
	var timeout *temporal.TimeoutError
	switch {
	case errors.As(err, &app) && errors.As(app.Unwrap(), &act): // the workflow's own word about a failed activity
		return app.Message()
	case errors.As(err, &act) && errors.As(act.Unwrap(), &app):
		return fmt.Sprintf("%s: %s", act.ActivityType().GetName(), app.Message())
	case errors.As(err, &act) && errors.As(act.Unwrap(), &timeout):
		return fmt.Sprintf("%s: timed out (%s)", act.ActivityType().GetName(), timeout.TimeoutType())
	case errors.As(err, &app):
		return app.Message()
	}
	var canceled *temporal.CanceledError
	if errors.As(err, &canceled) {
		return "canceled"
	}
	var terminated *temporal.TerminatedError
	if errors.As(err, &terminated) {
		return "terminated"
	}
	return err.Error()
}

// Watch calls show with the execution's status whenever it may have changed,
// until it has ended, and returns the last status. It asks again rather than
// wait for the server to call back: a server can lose that wake-up.
func (e *Executor) Watch(ctx context.Context, run *Run, show func(*Status)) (*Status, error) {
	s, err := e.Service(run.Service)
	if err != nil {
		return nil, err
	}
	every := 50 * time.Millisecond
	for {
		st, err := e.status(ctx, s, run.WorkflowID, run.RunID)
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			st = nil // the server may be restarting: the execution goes on when it is back
		}
		if st != nil {
			if show != nil {
				show(st)
			}
			if st.Ended() {
				return st, nil
			}
		}
		select {
		case <-time.After(every):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		every = min(every*3/2, time.Second)
	}
}
