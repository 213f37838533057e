package supervisor

import (
	"log/slog"
	"sync"
	"time"

	"github.com/orch-host/orch/hostcore/plugin"
)

// quarantine remembers digests that failed too often, and recent failures. All
// units share one. A version that was in service and had to be taken out of it
// is kept in a file, so that a restart of the host does not bring it back.
type quarantine struct {
	limits Limits
	file   string // empty: nothing is kept
	log    *slog.Logger

	mu       sync.Mutex
	held     map[string]hold // by digest
	failures map[string][]time.Time
}

// hold is one digest in quarantine.
type hold struct {
	Digest   string    `json:"digest"`
	Plugin   string    `json:"plugin"`
	Version  string    `json:"version"`
	Group    string    `json:"group"`
	Settings string    `json:"settings,omitempty"` // Group.Settings that it failed with
	Until    time.Time `json:"until"`
	Error    string    `json:"error"`

	kept bool // it is in the file
}

func newQuarantine(o Options) *quarantine {
	q := &quarantine{limits: o.Limits, file: o.QuarantineFile, log: o.Logger, held: map[string]hold{}, failures: map[string][]time.Time{}}
	q.load(func(group string) string { return o.Group(group).Settings }, time.Now())
	return q
}

// failed notes a failure and says whether it was one too many.
func (q *quarantine) failed(digest string, now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	recent := q.failures[digest][:0]
	for _, t := range q.failures[digest] {
		if now.Sub(t) < q.limits.FailureWindow {
			recent = append(recent, t)
		}
	}
	recent = append(recent, now)
	q.failures[digest] = recent
	return len(recent) >= q.limits.MaxFailures
}

// put holds a binary for the quarantine time, over a restart of the host if it
// is to be kept; settings are those of its group.
func (q *quarantine) put(b plugin.Binary, settings string, err error, keep bool, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	m := b.Manifest
	keep = keep || q.held[b.Digest].kept
	q.held[b.Digest] = hold{Digest: b.Digest, Plugin: m.GetName(), Version: m.GetVersion(), Group: m.GetGroup(), Settings: settings,
		Until: now.Add(q.limits.QuarantineTime), Error: err.Error(), kept: keep}
	delete(q.failures, b.Digest)
	if keep {
		q.save(now)
	}
}

func (q *quarantine) lift(digest string, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	kept := q.held[digest].kept
	delete(q.held, digest)
	delete(q.failures, digest)
	if kept {
		q.save(now)
	}
}

// find returns the hold on a digest; false when it may be tried.
func (q *quarantine) find(digest string, now time.Time) (hold, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	h, ok := q.held[digest]
	return h, ok && now.Before(h.Until)
}
