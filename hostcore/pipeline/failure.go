package pipeline

import (
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
)

// The types of the failures a pipeline itself makes. All of them are non-retryable.
const (
	// ErrUnknownPipeline: no definition of that name is loaded.
	ErrUnknownPipeline = "UnknownPipeline"
	// ErrInvalidPipeline: the file of that name is not usable.
	ErrInvalidPipeline = "InvalidPipeline"
	// ErrInvalidParams: the argument does not match the schema of the params.
	ErrInvalidParams = "InvalidParams"
	// ErrExpression: an expression could not be evaluated over the values at hand.
	ErrExpression = "ExpressionFailed"
	// ErrPipelineFailed: a fail step without a type of its own.
	ErrPipelineFailed = "PipelineFailed"
	// ErrTooLarge: an input is larger than the server takes, or a foreach has too many items.
	ErrTooLarge = "TooLarge"
	// ErrUnreadableResult: the result of an activity is not JSON, so that save cannot take it.
	ErrUnreadableResult = "UnreadableResult"
	// ErrActivityCanceled: an activity called itself canceled though nobody had asked for it.
	ErrActivityCanceled = "ActivityCanceled"
	// ErrCompensationFailed: the pipeline failed, and taking back what it had done failed too.
	ErrCompensationFailed = "CompensationFailed"
)

func refuse(kind string, cause error, format string, args ...any) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), kind, cause)
}

// stepError names the step that failed. It never leaves the interpreter.
type stepError struct {
	step string
	err  error
}

func (e *stepError) Error() string { return e.step + ": " + e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

// returned carries the value of a return step out of the steps around it.
type returned struct{ value any }

func (*returned) Error() string { return "returned" }

func isReturn(err error) bool {
	var r *returned
	return errors.As(err, &r)
}

// errorValue is what an expression sees as error.
func errorValue(err error) map[string]any {
	v := map[string]any{"message": message(err), "type": errorType(err), "step": "", "details": nil}
	var failed *stepError
	if errors.As(err, &failed) {
		v["step"] = failed.step
	}
	var application *temporal.ApplicationError
	if errors.As(err, &application) && application.HasDetails() {
		var details any
		if application.Details(&details) == nil {
			v["details"] = details
		}
	}
	return v
}

func errorType(err error) string {
	var (
		application *temporal.ApplicationError
		timeout     *temporal.TimeoutError
	)
	switch {
	case temporal.IsCanceledError(err):
		return "Canceled"
	case errors.As(err, &application):
		return application.Type()
	case errors.As(err, &timeout):
		return "Timeout"
	}
	return "Error"
}

// message is the part of a failure that people want to read: what the activity said, without the ids around it.
func message(err error) string {
	var (
		activity    *temporal.ActivityError
		application *temporal.ApplicationError
		timeout     *temporal.TimeoutError
		failed      *stepError
	)
	switch {
	case err == nil:
		return ""
	case temporal.IsCanceledError(err):
		return "canceled"
	case errors.As(err, &application):
		return application.Message()
	case errors.As(err, &timeout):
		text := timeoutText(timeout)
		if errors.As(err, &activity) {
			text = activity.ActivityType().GetName() + " " + text
		}
		if cause := errors.Unwrap(timeout); cause != nil {
			text += "; the failure before it: " + message(cause)
		}
		return text
	case errors.As(err, &activity) && errors.Unwrap(activity) != nil:
		return message(errors.Unwrap(activity))
	case errors.As(err, &failed):
		return failed.err.Error()
	}
	return err.Error()
}

func timeoutText(err *temporal.TimeoutError) string {
	switch err.TimeoutType() {
	case enumspb.TIMEOUT_TYPE_START_TO_CLOSE:
		return "did not finish in time"
	case enumspb.TIMEOUT_TYPE_HEARTBEAT:
		return "gave no sign of life in time"
	case enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START:
		return "was not picked up by any worker in time"
	}
	return "timed out"
}

// lastAttempt is the number of the attempt that failed, where the failure tells it: when all of them were used up.
func lastAttempt(err error, attempts int) int32 {
	var activity *temporal.ActivityError
	if errors.As(err, &activity) && activity.RetryState() == enumspb.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED {
		return int32(attempts)
	}
	return 0
}
