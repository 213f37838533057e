package container

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/orch-host/orch/sdk"
)

const (
	probeTimeout  = 5 * time.Second        // of one question to the component
	probeEvery    = 25 * time.Millisecond  // while it has only just started; later a twentieth of the time that it has taken, up to
	probeAtMost   = time.Second            // this
	settleTime    = 500 * time.Millisecond // how long a process without a Ready has to stay up
	logTailBudget = 5 * time.Second
)

// awaitReady asks the component until it is ready. It ends at once when the
// container's process does.
func (r *ensuring) awaitReady(ctx context.Context, cur *snapshot) error {
	began := time.Now()
	if r.waitFor == nil { // the time goes on over an outage of the engine
		deadline := began.Add(r.s.ReadyTimeout)
		r.waitFor = &deadline
	}
	ready := r.s.Ready
	if ready == nil {
		ready = func(context.Context, Endpoints) error {
			if r.started && time.Since(began) < settleTime {
				return errors.New("it has only just started")
			}
			return nil
		}
	}
	for {
		err := ask(ctx, *r.waitFor, ready, cur.ports)
		if err == nil && r.s.Ready != nil {
			return nil
		}
		now, lookErr := r.find(ctx, r.s.owner(), r.s.Name)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case lookErr != nil:
			return lookErr
		case now == nil || now.id != cur.id:
			return fmt.Errorf("container %s has been taken away while it was starting: %w", r.s.Name, errRace)
		case !now.running():
			return r.exited(ctx, now)
		case err == nil:
			return nil
		}
		var final *sdk.Error
		if time.Now().After(*r.waitFor) || (errors.As(err, &final) && final.NonRetryable) {
			return &NotReadyError{Name: r.s.Name, After: time.Since(began), Err: r.redacted(err), Hint: r.outOfReach(), LogTail: r.tailNow(ctx, now)}
		}
		sdk.Progress(ctx, fmt.Sprintf("waiting for %s: %s", r.s.Name, r.s.redact(err.Error())), 0, 0)
		if err := sleep(ctx, min(max(probeEvery, time.Since(began)/20), probeAtMost)); err != nil {
			return err
		}
		cur.ports = now.ports
	}
}

// ask asks once, no longer than the deadline.
func ask(ctx context.Context, deadline time.Time, ready func(context.Context, Endpoints) error, at Endpoints) error {
	timeout := min(probeTimeout, max(time.Until(deadline), 100*time.Millisecond))
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return ready(ctx, at)
}

// exited reports a process that has ended, and keeps Docker from restarting it.
func (r *ensuring) exited(ctx context.Context, c *snapshot) error {
	err := &ExitedError{
		Name: r.s.Name, ExitCode: c.state.ExitCode, OOMKilled: c.state.OOMKilled,
		Reason: r.s.redact(c.state.Error), LogTail: r.tailNow(ctx, c),
	}
	if c.state.Restarting {
		if stopErr := r.stop(ctx, c); stopErr != nil {
			return errors.Join(err, stopErr)
		}
	}
	return err
}

func (r *ensuring) tailNow(ctx context.Context, c *snapshot) string {
	ctx, cancel := context.WithTimeout(ctx, logTailBudget)
	defer cancel()
	return r.tail(ctx, r.s, c)
}

// redacted keeps the error itself unless its text shows a secret.
func (r *ensuring) redacted(err error) error {
	text := r.s.redact(err.Error())
	if text == err.Error() {
		return err
	}
	var e *sdk.Error
	if errors.As(err, &e) {
		return &sdk.Error{Type: e.Type, Message: text, NonRetryable: e.NonRetryable, RetryAfter: e.RetryAfter}
	}
	return errors.New(text)
}
