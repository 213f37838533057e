package workflows

import (
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// undoStep is an activity that takes back what an earlier step created.
type undoStep struct {
	activity string
	args     []any
}

// undoWith registers activities, in the order they must run, that take back what the run has just created. Groups
// registered later run first.
func (f *flow) undoWith(p object, activities ...string) {
	group := make([]undoStep, 0, len(activities)+len(f.undo))
	for _, a := range activities {
		group = append(group, undoStep{activity: a, args: []any{p}})
	}
	f.undo = append(group, f.undo...)
}

// compensate takes back what the failed or canceled run created. It goes on when one step fails, and tells in the run's
// error what was left behind. A cancellation stays a cancellation; what was left behind then stands in the progress.
func (f *flow) compensate() {
	ctx, cancel := workflow.NewDisconnectedContext(f.ctx)
	defer cancel()
	var left []string
	for _, u := range f.undo {
		if _, err := f.execute(ctx, f.spec.timeout, u.activity, u.args...); err != nil {
			left = append(left, u.activity+": "+message(err))
		}
	}
	if len(left) == 0 || temporal.IsCanceledError(f.err) {
		return
	}
	f.err = temporal.NewApplicationErrorWithOptions(
		message(f.err)+"; taking back what this run created failed too: "+strings.Join(left, "; "),
		"CompensationFailed", temporal.ApplicationErrorOptions{NonRetryable: true, Cause: f.err})
}
