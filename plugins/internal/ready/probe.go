package ready

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/orch-host/orch/sdk"
)

// Probe asks a component once. It honours ctx.
type Probe func(ctx context.Context) error

// All asks one after the other and ends at the first that is not ready.
func All(probes ...Probe) Probe {
	return func(ctx context.Context) error {
		for _, p := range probes {
			if err := p(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

// TCP is content when something accepts connections at addr (host:port).
func TCP(addr string) Probe {
	return func(ctx context.Context) error {
		conn, err := dial(ctx, addr)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

func dial(ctx context.Context, addr string) (net.Conn, error) {
	if addr == "" {
		return nil, errors.New("the port is not published")
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

// PollOptions of [Poll]. Zero values are the defaults.
type PollOptions struct {
	Every       time.Duration // pause between two questions; default 500 ms
	Timeout     time.Duration // when to give up; default 2 min
	Attempt     time.Duration // limit of one question; default 5 s
	Consecutive int           // successes in a row that it takes; default 1
	What        string        // what is asked, for progress and errors
}

// Poll asks until the probe has succeeded as often in a row as it takes. It
// gives up at the timeout, and at once on an error that is not retryable.
func Poll(ctx context.Context, p Probe, o PollOptions) error {
	if o.Every <= 0 {
		o.Every = 500 * time.Millisecond
	}
	if o.Timeout <= 0 {
		o.Timeout = 2 * time.Minute
	}
	if o.Attempt <= 0 {
		o.Attempt = 5 * time.Second
	}
	if o.What == "" {
		o.What = "the component"
	}
	o.Consecutive = max(o.Consecutive, 1)
	began := time.Now()
	tick := time.NewTicker(o.Every)
	defer tick.Stop()
	var last error // what the question before found
	for ok := 0; ; {
		left := max(o.Timeout-time.Since(began), time.Millisecond)
		attempt, cancel := context.WithTimeout(ctx, min(o.Attempt, left))
		err := p(attempt)
		cut := left < o.Attempt && attempt.Err() != nil
		cancel()
		if ctx.Err() != nil {
			return fmt.Errorf("wait for %s: %w", o.What, ctx.Err())
		}
		if err != nil && last != nil && cut { // what was found before tells more than the deadline
			err = last
		}
		last = err
		if err == nil {
			if ok++; ok >= o.Consecutive {
				return nil
			}
		} else {
			ok = 0
			var e *sdk.Error
			if errors.As(err, &e) && e.NonRetryable {
				return fmt.Errorf("%s is not ready: %w", o.What, err)
			}
		}
		if time.Since(began) >= o.Timeout {
			if err == nil {
				err = fmt.Errorf("%d of %d successes in a row", ok, o.Consecutive)
			}
			return fmt.Errorf("%s is not ready after %s: %w", o.What, o.Timeout, err)
		}
		if err != nil {
			sdk.Progress(ctx, fmt.Sprintf("waiting for %s: %v", o.What, err), 0, 0)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", o.What, ctx.Err())
		case <-tick.C:
		}
	}
}
