package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// leaseMargin is how long before the end of its lease an attempt is asked to give
// up, so that it has done so when the next one begins: a fifth of the heartbeat
// timeout, this at most.
const leaseMargin = 5 * time.Second

// leaseError says that the server is about to give an attempt to somebody else.
type leaseError struct {
	end     time.Time
	silence time.Duration
}

func (e *leaseError) Error() string {
	return fmt.Sprintf("Temporal has not heard from this host for %s and gives the attempt up", e.silence)
}

// lostLease is the error that ended soft, if it is that one.
func lostLease(soft context.Context) *leaseError {
	var lost *leaseError
	errors.As(context.Cause(soft), &lost)
	return lost
}

// watchLease ends soft shortly before the server gives the attempt up.
func (b *Bridge) watchLease(soft context.Context, token []byte, stop context.CancelCauseFunc) {
	for {
		end, timeout, ok := b.o.Lease(token)
		if !ok {
			return
		}
		margin := min(timeout/5, leaseMargin)
		wait := time.Until(end) - margin
		if wait <= 0 {
			stop(&leaseError{end: end, silence: timeout - margin})
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-soft.Done():
			timer.Stop()
			return
		}
	}
}
