package supervisor

import (
	"context"
	"errors"
	"fmt"

	"github.com/orch-host/orch/hostcore/plugin"
)

// request asks a unit for a change; answer gets exactly one value.
type request struct {
	binary   *plugin.Binary  // nil: withdraw
	lower    []plugin.Binary // what else the folder has of the plugin
	lift     bool            // lift the binary's quarantine
	refusal  *Refusal        // the file in place of the one that serves may not run: keep that one
	rollback bool
	digests  bool // tell what is in use
	answer   chan outcome
}

type outcome struct {
	Result
	err     error
	digests []string // when that was asked
}

// ask hands over what is wanted and returns a function that waits for the
// outcome.
func (u *unit) ask(b *plugin.Binary, lower []plugin.Binary, lift bool) waiter {
	return u.send(request{binary: b, lower: lower, lift: lift})
}

// keep leaves what serves in place although its file was replaced by one that
// may not run.
func (u *unit) keep(r Refusal) waiter { return u.send(request{refusal: &r}) }

func (u *unit) askRollback() waiter { return u.send(request{rollback: true}) }

// waiter returns the outcome of a request, or that ctx has ended before it.
type waiter func(ctx context.Context) outcome

func (u *unit) send(r request) waiter {
	r.answer = make(chan outcome, 1)
	select {
	case u.requests <- r:
	case <-u.s.ctx.Done():
	}
	return func(ctx context.Context) outcome {
		select {
		case o := <-r.answer:
			return o
		case <-u.s.ctx.Done():
		case <-ctx.Done():
		}
		select {
		case o := <-r.answer: // it was there already
			return o
		default:
		}
		if u.s.ctx.Err() != nil {
			return u.unanswered(errors.New("the host is stopping"))
		}
		return u.unanswered(fmt.Errorf("not waited for; see host plugin list: %w", context.Cause(ctx)))
	}
}

func (u *unit) unanswered(err error) outcome {
	return outcome{Result: Result{Name: u.name, Change: "failed", Error: err.Error()}, err: err}
}
