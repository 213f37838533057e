package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/orch-host/orch/plugins/deploy/internal/fly"
	"github.com/orch-host/orch/plugins/deploy/internal/httpapi"
	"github.com/orch-host/orch/sdk"
)

// leaseFor is short, so that the lease of a killed attempt is soon free; keep prolongs it while we work.
const leaseFor = 60 * time.Second

// flyLease is the exclusive right to change one machine.
type flyLease struct {
	r       *flyRun
	machine string
	nonce   string
	renewed time.Time
}

func (r *flyRun) leaseText() string {
	return "orch " + r.res.DeploymentID + " run " + firstOf(r.run, "-")
}

// lease takes the lease of a machine. One that an earlier attempt of this run left behind is waited for; one of somebody
// else ends the attempt with the holder's words, to be tried again when it has expired.
func (r *flyRun) lease(ctx context.Context, machine string) (*flyLease, error) {
	var got fly.Lease
	err := poll(ctx, "the lease of machine "+machine, leaseFor+15*time.Second, r.d.pacing().first, r.d.pacing().first, func(ctx context.Context) (bool, error) {
		var err error
		got, err = r.s.fly.AcquireLease(ctx, r.in.AppName, machine, "", r.leaseText(), leaseFor)
		var e *httpapi.Error
		if err == nil || !errors.As(err, &e) || e.Code != fly.CodeLeaseHeld {
			return err == nil, err
		}
		held, herr := r.s.fly.Lease(ctx, r.in.AppName, machine)
		if httpapi.Is(herr, httpapi.NotFound) {
			return false, nil // released meanwhile
		}
		if herr != nil {
			return false, herr
		}
		if r.run != "" && strings.HasSuffix(held.Description, " run "+r.run) {
			if held.Nonce != "" {
				got = held
				return true, nil
			}
			return false, nil
		}
		return false, heldBy(machine, held, err)
	})
	if err != nil {
		return nil, err
	}
	return &flyLease{r: r, machine: machine, nonce: got.Nonce, renewed: time.Now()}, nil
}

func heldBy(machine string, l fly.Lease, err error) error {
	f := sdk.Fail(string(httpapi.Conflict), "fly: machine %s is being changed by %s (%s); wait for that deployment to end: %w",
		machine, firstOf(l.Owner, "somebody else"), firstOf(l.Description, "no description"), err)
	f.RetryAfter = 5 * time.Second
	if l.ExpiresAt > 0 {
		f.RetryAfter = min(max(time.Until(time.Unix(l.ExpiresAt, 0))+time.Second, f.RetryAfter), 2*time.Minute)
	}
	return f
}

// keep prolongs the lease when half of it is over. A nil lease needs nothing.
func (l *flyLease) keep(ctx context.Context) error {
	if l == nil || time.Since(l.renewed) < leaseFor/2 {
		return nil
	}
	if _, err := l.r.s.fly.AcquireLease(ctx, l.r.in.AppName, l.machine, l.nonce, l.r.leaseText(), leaseFor); err != nil {
		return fmt.Errorf("prolong the lease: %w", err)
	}
	l.renewed = time.Now()
	return nil
}

// release gives the lease back, also after a cancellation. One that cannot be given back expires.
func (l *flyLease) release(ctx context.Context) {
	ctx, cancel := sdk.Cleanup(ctx)
	defer cancel()
	if err := l.r.s.fly.ReleaseLease(ctx, l.r.in.AppName, l.machine, l.nonce); err != nil {
		sdk.Logger(ctx).Warn("a machine's lease was not released; it expires by itself", "machine", l.machine, "error", err)
	}
}
