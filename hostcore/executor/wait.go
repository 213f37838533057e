package executor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
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

// patience is how long a server may refuse to tell of an execution before that
// is believed: one that has just come up may not yet know all that it keeps.
const patience = 5 * time.Second

// GoneError says that an execution is no longer kept, however it ended.
type GoneError struct {
	Run
	Address string
}

func (e *GoneError) Error() string {
	return fmt.Sprintf("workflow %s (run %s, namespace %s) is not on %s any more: it was deleted, or its retention time is over; host status %s shows the latest run",
		e.WorkflowID, e.RunID, e.Namespace, e.Address, e.Service)
}

// Watch calls show with the execution's status whenever it may have changed,
// until it has ended, and returns the last status. It asks again rather than
// wait for the server to call back: a server can lose that wake-up. A server
// that is away is waited for; one that keeps refusing the question, or has no
// such execution (a *GoneError), ends the watch.
func (e *Executor) Watch(ctx context.Context, run *Run, show func(*Status)) (*Status, error) {
	s, err := e.Service(run.Service)
	if err != nil {
		return nil, err
	}
	every := 50 * time.Millisecond
	var refused time.Time // since when; zero: it is not
	for {
		st, err := e.status(ctx, s, run.WorkflowID, run.RunID)
		if err == nil && st.State == NeverStarted {
			err = &GoneError{*run, e.clients.Address()}
		}
		switch {
		case err == nil:
			refused = time.Time{}
			if show != nil {
				show(st)
			}
			if st.Ended() {
				return st, nil
			}
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !permanent(err): // the server may be restarting: the execution goes on when it is back
			refused = time.Time{}
		case refused.IsZero():
			refused = time.Now()
		case time.Since(refused) >= patience:
			return nil, err
		}
		select {
		case <-time.After(every):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		every = min(every*3/2, time.Second)
	}
}

// permanent says whether asking once more would be answered the same.
func permanent(err error) bool {
	var gone *GoneError
	var said serviceerror.ServiceError
	if errors.As(err, &gone) {
		return true
	}
	code := status.Code(err)
	if errors.As(err, &said) {
		code = said.Status().Code()
	}
	switch code {
	case codes.NotFound, codes.PermissionDenied, codes.Unauthenticated, codes.InvalidArgument, codes.Unimplemented:
		return true
	}
	return false
}
