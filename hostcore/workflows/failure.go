package workflows

import (
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// message is the part of a failure that people want to read: what the activity or the child workflow said, without the
// ids around it. It is the same text on every replay.
func message(err error) string {
	switch e := err.(type) {
	case nil:
		return ""
	case *temporal.ActivityError:
		if timeout, ok := errors.Unwrap(e).(*temporal.TimeoutError); ok {
			return e.ActivityType().GetName() + " " + timeoutText(timeout)
		}
	case *temporal.ChildWorkflowExecutionError:
		switch cause := errors.Unwrap(e).(type) {
		case *temporal.TimeoutError:
			return e.WorkflowType() + " " + timeoutText(cause)
		case *temporal.CanceledError:
			return e.WorkflowType() + " was canceled"
		case *temporal.TerminatedError:
			return e.WorkflowType() + " was terminated"
		}
	case *temporal.ApplicationError:
		return e.Message()
	case *temporal.CanceledError:
		return "canceled"
	default:
		return err.Error()
	}
	if cause := errors.Unwrap(err); cause != nil {
		return message(cause)
	}
	return err.Error()
}

// settle sorts out whether a failure is the cancellation of the run. Under a canceled ctx every failure is: an activity
// may answer the cancellation with an error of its own. Otherwise none may look like it: the SDK closes a run as
// canceled when a cancellation is anywhere in the chain of its error.
func settle(ctx workflow.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case temporal.IsCanceledError(err):
		return temporal.NewNonRetryableApplicationError(message(err), "Canceled", nil)
	}
	return err
}

func timeoutText(err *temporal.TimeoutError) string {
	text := timeoutKind(err)
	if cause := errors.Unwrap(err); cause != nil {
		text += "; the failure before it: " + message(cause)
	}
	return text
}

func timeoutKind(err *temporal.TimeoutError) string {
	switch err.TimeoutType() {
	case enumspb.TIMEOUT_TYPE_START_TO_CLOSE:
		return "did not finish in time"
	case enumspb.TIMEOUT_TYPE_HEARTBEAT:
		return fmt.Sprintf("gave no sign of life for %s", heartbeatTimeout)
	case enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START:
		return "was not picked up by any worker in time"
	}
	return "timed out"
}

// lastAttempt is the number of the attempt that failed, where the failure tells it: when all of them were used up.
func lastAttempt(err error, policy temporal.RetryPolicy) int32 {
	var activity *temporal.ActivityError
	if errors.As(err, &activity) && activity.RetryState() == enumspb.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED {
		return policy.MaximumAttempts
	}
	return 0
}
