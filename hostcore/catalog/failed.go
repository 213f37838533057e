package catalog

import (
	"fmt"
	"time"

	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/hostcore/supervisor"
)

const (
	secondTry  = 2 * time.Second  // after the first failure: the machine may have been busy
	quarantine = 10 * time.Minute // after the second
)

// failedStart is a binary that could not be asked for its manifest.
type failedStart struct {
	err   error
	times int
	until time.Time
}

// failedBefore is why a binary is not started now; nil when it may be.
func (c *Catalog) failedBefore(digest string, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, ok := c.failed[digest]
	if !ok || !now.Before(f.until) {
		return nil
	}
	return f.err
}

func (c *Catalog) noteFailed(digest string, err error, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := failedStart{err: err, times: c.failed[digest].times + 1, until: now.Add(secondTry)}
	if f.times > 1 {
		f.until = now.Add(quarantine)
		f.err = fmt.Errorf("binary %s is in quarantine until %s, host plugin reload with the plugin's name tries it again: %w",
			plugin.ShortDigest(digest), f.until.Format(time.TimeOnly), err)
	}
	c.failed[digest] = f
}

// refusal tells about a file that cannot be used, and when it is tried again.
func (c *Catalog) refusal(b plugin.Binary, err error) supervisor.Refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := supervisor.Refusal{Path: b.Source, Digest: b.Digest, Err: err}
	if f, ok := c.failed[b.Digest]; ok && time.Now().Before(f.until) {
		r.Err, r.Until, r.Quarantined = f.err, f.until, f.times > 1
	}
	return r
}

// Forgive implements supervisor.Forgiver.
func (c *Catalog) Forgive() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.failed)
}
