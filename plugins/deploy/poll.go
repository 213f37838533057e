package deploy

import (
	"context"
	"errors"
	"time"

	"github.com/orch-host/orch/plugins/deploy/internal/httpapi"
	"github.com/orch-host/orch/sdk"
)

// pace says how often the activities look.
type pace struct {
	first, max time.Duration // between two looks: from first, growing to max
	railway    time.Duration // Railway's hourly limit allows one request per 3.6 s
	settle     time.Duration // how long a fresh object may be invisible
	flyWait    time.Duration // one blocking wait at Fly
	health     time.Duration // between two health requests
}

func defaultPace() pace {
	return pace{first: 2 * time.Second, max: 5 * time.Second, railway: 5 * time.Second, settle: 45 * time.Second,
		flyWait: 30 * time.Second, health: 2 * time.Second}
}

// readFailures is how many failed looks in a row a wait survives. A look changes nothing, so repeating it is no retry of
// the deployment; ending the attempt on each hiccup would use up three attempts in one busy minute.
const readFailures = 6

// poll looks until the look is done, fails for good or with an *sdk.Error, or the time is over; the last is a retryable StillDeploying, so
// that the next attempt resumes. what completes the sentence "... is not finished".
func poll(ctx context.Context, what string, limit, first, ceiling time.Duration, look func(context.Context) (done bool, err error)) error {
	ends := time.Now().Add(limit)
	// Answer before the attempt is cut off: an attempt that ends by itself says why.
	if d := sdk.GetInfo(ctx).Deadline; !d.IsZero() {
		if d = d.Add(-min(30*time.Second, time.Until(d)/4)); d.Before(ends) {
			ends = d
		}
	}
	failures := 0
	for delay := first; ; delay = min(delay*3/2, ceiling) {
		done, err := look(ctx)
		pause := delay
		switch {
		case err == nil && done:
			return nil
		case err == nil:
			failures = 0
		case cancelled(ctx):
			return context.Cause(ctx)
		default:
			var verdict *sdk.Error
			if errors.As(err, &verdict) {
				return err
			}
			var e *httpapi.Error
			if !errors.As(err, &e) || !e.Kind.Retryable() {
				return err
			}
			if failures++; failures >= readFailures {
				return err
			}
			pause = max(delay, e.RetryAfter)
		}
		if time.Now().Add(pause).After(ends) {
			if err == nil {
				return sdk.Fail(typeStillDeploying, "%s is not finished after %s; the next attempt goes on waiting", what, limit.Round(time.Second))
			}
			f := sdk.Fail(typeStillDeploying, "%s is not finished after %s, and the last look failed: %w", what, limit.Round(time.Second), err)
			if e, ok := asAPI(err); ok {
				f.RetryAfter = e.RetryAfter // the provider's wish outlives the attempt
			}
			return f
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
