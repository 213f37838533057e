package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/orch-host/orch/hostcore/progress"
)

// Arg is a workflow argument as it came: any JSON value from any client language, or nothing.
type Arg = converter.RawValue

// heartbeatTimeout is how long a running activity may stay silent before the server gives its attempt up. Plugins tick
// by themselves, so silence means that the process or its host is gone.
const heartbeatTimeout = 30 * time.Second

// flow is one run of a workflow. It keeps the first thing that ended the run, so that a workflow function reads as the
// list of its steps: after the end, steps do nothing and return empty values.
type flow struct {
	ctx      workflow.Context
	spec     spec
	log      log.Logger
	progress *progress.Recorder
	undo     []undoStep

	err    error   // why the run failed or was canceled
	answer *string // the result, when the run was answered before its last step
}

func begin(ctx workflow.Context, s spec) *flow {
	return &flow{ctx: ctx, spec: s, log: workflow.GetLogger(ctx), progress: progress.Record(ctx, s.name, s.steps())}
}

func (f *flow) ended() bool { return f.err != nil || f.answer != nil }

// step runs one activity with the workflow's timeout and returns its result.
func (f *flow) step(activity string, args ...any) value {
	return f.stepWithin(f.spec.timeout, activity, args...)
}

// stepWithin runs one activity that has its own start-to-close timeout.
func (f *flow) stepWithin(timeout time.Duration, activity string, args ...any) value {
	if f.ended() {
		return value{}
	}
	result, err := f.execute(f.ctx, timeout, activity, args...)
	if err != nil {
		f.fail(err)
	}
	return result
}

// execute runs one activity under ctx and records it, without ending the flow when it fails.
func (f *flow) execute(ctx workflow.Context, timeout time.Duration, activity string, args ...any) (value, error) {
	options := workflow.ActivityOptions{
		StartToCloseTimeout: timeout,
		WaitForCancellation: true,
		RetryPolicy:         &f.spec.retry,
		Summary:             summary(activity),
	}
	if timeout > heartbeatTimeout {
		options.HeartbeatTimeout = heartbeatTimeout
	}
	finish := f.progress.Start(activity)
	var raw converter.RawValue
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), activity, payloads(args)...).Get(ctx, &raw)
	if ctx.Err() != nil && err != nil && !temporal.IsCanceledError(err) {
		f.log.Warn("activity failed while it was being canceled", "activity", activity, "error", message(err))
	}
	used := lastAttempt(err, f.spec.retry)
	err = settle(ctx, err)
	end := endOf(err)
	end.Attempt, end.Outcome = used, value{raw}.outcome()
	finish(end)
	return value{raw}, err
}

// sleep waits on the server's clock.
func (f *flow) sleep(d time.Duration, why string) {
	if f.ended() {
		return
	}
	if err := workflow.NewTimerWithOptions(f.ctx, d, workflow.TimerOptions{Summary: why}).Get(f.ctx, nil); err != nil {
		f.fail(err)
	}
}

// fail ends the run with err, or with its cancellation when there is one. Only the first end counts.
func (f *flow) fail(err error) {
	if f.ended() {
		return
	}
	if f.err = err; f.ctx.Err() != nil {
		f.err = f.ctx.Err()
	}
}

// refuse ends the run with an error that no retry can mend.
func (f *flow) refuse(kind, format string, args ...any) {
	f.fail(temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), kind, nil))
}

// reply ends the run successfully with result.
func (f *flow) reply(result string) {
	if !f.ended() {
		f.answer = &result
	}
}

// require ends the run with result when a step's result is falsy.
func (f *flow) require(v value, result string) {
	if !f.ended() && v.falsy() {
		f.reply(result)
	}
}

// catch turns a failure, but not a cancellation, into a result that begins with prefix.
func (f *flow) catch(prefix string) {
	if f.err == nil || temporal.IsCanceledError(f.err) {
		return
	}
	text := prefix + message(f.err)
	f.err, f.answer = nil, &text
}

// done ends the run: with result, unless it has already ended otherwise. A run that was canceled ends canceled even when
// its last step answered well, or so badly that the answer tells the result.
func (f *flow) done(result string) (string, error) {
	if f.err == nil && f.ctx.Err() != nil {
		f.err, f.answer = f.ctx.Err(), nil
	}
	if f.err != nil {
		f.compensate()
		f.progress.Close(endOf(f.err))
		return "", f.err
	}
	f.reply(result)
	end := progress.End{State: progress.OK, Result: *f.answer}
	if IsFailure(*f.answer) {
		end.State = progress.Failed
	}
	f.progress.Close(end)
	return *f.answer, nil
}

// complete is done for the workflows that log their start and end.
func (f *flow) complete(result string) (string, error) {
	result, err := f.done(result)
	if err == nil {
		f.log.Info(f.spec.name + " complete")
	}
	return result, err
}

// endOf is how a step or run that returned err ended.
func endOf(err error) progress.End {
	switch {
	case err == nil:
		return progress.End{State: progress.OK}
	case temporal.IsCanceledError(err):
		return progress.End{State: progress.Canceled, Error: message(err)}
	}
	return progress.End{State: progress.Failed, Error: message(err)}
}

// summary turns an activity type into words for the Web UI.
func summary(activity string) string {
	return strings.ReplaceAll(strings.TrimSuffix(activity, "_activity"), "_", " ")
}
