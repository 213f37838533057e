package pipeline

import (
	"strings"

	"go.temporal.io/sdk/workflow"
)

// undo is a step that has been done and knows how to be taken back, with the values it was done with.
type undo struct {
	step   *step
	scope  *scope
	prefix string
}

func (r *run) remember(s *step, sc *scope, prefix string) {
	r.saga = append(r.saga, undo{step: s, scope: sc, prefix: prefix})
}

// compensate takes back what the failed or canceled run did, last things first. It runs in a context of its own, so that
// canceling again does not stop it, and goes on when one part fails; what is left behind stands in r.left.
func (r *run) compensate(ctx workflow.Context) {
	if len(r.saga) == 0 {
		return
	}
	own, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	var left []string
	for i := len(r.saga) - 1; i >= 0; i-- {
		u := r.saga[i]
		if err := r.steps(own, u.step.compensate, u.scope, u.prefix); err != nil {
			left = append(left, u.prefix+u.step.id+": "+message(err))
		}
	}
	r.saga = nil
	r.left = strings.Join(left, "; ")
}
