package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// Failure types that the SDK itself reports; a workflow sees them as the type
// of the ApplicationError.
const (
	TypeInvalidInput   = "InvalidInput"   // the input does not fit the activity; not retried
	TypeInvalidOutput  = "InvalidOutput"  // the result cannot be written as JSON; not retried
	TypeResultTooLarge = "ResultTooLarge" // the result is over Temporal's limit; not retried
	TypePanic          = "Panic"          // the activity panicked; retried
	TypeBusy           = "PluginBusy"     // over the activity's concurrency limit; retried
	TypeDraining       = "PluginDraining" // the plugin is being replaced; retried
)

// Error is a failed attempt with everything a workflow can decide by. Any
// other error fails the attempt too, as a retryable one of type "Error".
type Error struct {
	Type         string        // what a workflow decides by; default "Error"
	Message      string        // for people
	NonRetryable bool          // no further attempt
	RetryAfter   time.Duration // when the next attempt may start; 0: the retry policy decides
	Details      any           // travels as the failure's details, as JSON
	Err          error         // the cause
}

// Error gives the message, or the cause's when there is none.
func (e *Error) Error() string {
	if e.Message == "" && e.Err != nil {
		return e.Err.Error()
	}
	return e.Message
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Fail makes an [Error] of the given type; %w in the format keeps the cause.
func Fail(typ, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Type: typ, Message: err.Error(), Err: errors.Unwrap(err)}
}

// NonRetryable marks err as final: no retry policy makes another attempt.
func NonRetryable(err error) error {
	if err == nil {
		return nil
	}
	e := asError(err)
	e.NonRetryable = true
	return e
}

// RetryAfter asks that the next attempt start no sooner than d from now.
func RetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	e := asError(err)
	e.RetryAfter = d
	return e
}

// asError copies the *Error that err is or wraps, keeping err's text.
func asError(err error) *Error {
	var found *Error
	if errors.As(err, &found) {
		e := *found
		e.Message, e.Err = err.Error(), err
		return &e
	}
	return &Error{Message: err.Error(), Err: err}
}

// failureOf turns the error of an attempt into its wire form.
func failureOf(ctx context.Context, err error) *pluginv1.Failure {
	e := asError(err)
	f := &pluginv1.Failure{Type: validText(e.Type), Message: validText(e.Message), NonRetryable: e.NonRetryable}
	if f.Type == "" {
		f.Type = "Error"
	}
	if e.RetryAfter > 0 {
		f.NextRetryDelay = durationpb.New(e.RetryAfter)
	}
	if e.Details != nil {
		if data, jsonErr := json.Marshal(e.Details); jsonErr != nil || len(data) > maxPayloadBytes {
			Logger(ctx).Warn("the failure's details were left out", "type", f.Type, "bytes", len(data), "error", jsonErr)
		} else {
			f.Details = []*pluginv1.Payload{{Metadata: map[string][]byte{encodingKey: []byte(encodingJSON)}, Data: data}}
		}
	}
	f.Canceled = ctx.Err() != nil && errors.Is(err, context.Canceled)
	var p *panicError
	if errors.As(err, &p) {
		f.Type, f.Stack = TypePanic, validText(p.stack)
	}
	return f
}

// panicError is a recovered panic.
type panicError struct {
	value any
	stack string
}

func (p *panicError) Error() string { return fmt.Sprintf("panic: %v", p.value) }
