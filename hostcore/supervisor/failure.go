package supervisor

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/hostcore/router"
)

// refused handles a bring-up that failed: the old one, if any, goes on.
func (u *unit) refused(b plugin.Binary, err error) {
	final := u.failed(b, err)
	u.s.event("refused", u.name, u.activeBinary(), &b, err)
	back := u.activeBinary()
	if back == nil && u.served != nil && u.served.Digest != b.Digest {
		back = u.served // it crashed while b was brought up
	}
	u.returning = false
	switch {
	case back != nil:
		u.wanted = back
		u.reject(b, fmt.Sprintf("the swap to %s was refused: %v", b.Label(), err), err, false)
		if u.active == nil {
			u.restarting = true
			u.scheduleRetry(*back, err)
		}
	case final:
		u.quarantined(b, err)
	default:
		u.scheduleRetry(b, err)
	}
	u.answerAll("failed", &b, err)
}

// failed counts a failure and says whether it was one too many. A plugin that a
// developer runs may be stopped as often as they like.
func (u *unit) failed(b plugin.Binary, err error) bool {
	if blameless(err) || b.Attached || !u.s.quarantine.failed(b.Digest, time.Now()) {
		return false
	}
	u.hold(b, err, true)
	return true
}

// hold puts a binary in quarantine, over a restart of the host if it is to be
// kept.
func (u *unit) hold(b plugin.Binary, err error, keep bool) {
	u.s.quarantine.put(b, u.s.o.Group(b.Manifest.GetGroup()).Settings, err, keep, time.Now())
}

// blameless says whether a bring-up failed for no fault of the binary: another
// plugin holds one of its names.
func blameless(err error) bool {
	var taken *router.TakenError
	return errors.As(err, &taken)
}

// reject puts a binary that is not to take the place of the one that serves in
// quarantine, unless it is blameless, and shows why. One that was in service is
// kept there over a restart of the host; one that never was is tried again then.
func (u *unit) reject(b plugin.Binary, text string, err error, served bool) {
	r := &Rejected{Version: b.Manifest.GetVersion(), Digest: b.Digest, Path: b.Source, Error: err.Error()}
	if !blameless(err) {
		u.hold(b, err, served)
		h, _ := u.s.quarantine.find(b.Digest, time.Now())
		r.Until = h.Until
		u.s.event("quarantined", u.name, nil, &b, err)
	}
	u.update(func(s *Status) { s.Error, s.Rejected = text, r })
}

func (u *unit) activeBinary() *plugin.Binary {
	if u.active == nil {
		return nil
	}
	return &u.active.Binary
}

// lost handles the unexpected end of the active process, or its failed health.
func (u *unit) lost(err error) {
	i := u.active
	u.s.o.Router.Withdraw(i)
	uptime := time.Since(i.Started())
	u.mu.Lock()
	u.active = nil
	u.status.Pid, u.status.Since = 0, time.Time{}
	u.mu.Unlock()
	u.retire(i, 0)
	u.s.event("crashed", u.name, &i.Binary, nil, err)
	if uptime >= u.s.o.Limits.StableAfter {
		u.backoff = 0
	}
	if u.probation != nil && u.previous != nil {
		u.rollBack(i.Binary, err)
		return
	}
	if u.wanted == nil {
		u.note(i.Binary, err, Stopped)
		return
	}
	u.restarting = true
	final := u.failed(i.Binary, err)
	if u.bringing != nil {
		u.note(i.Binary, err, Failed) // the version under way takes over; should it be refused, this one is started again
		return
	}
	if final {
		u.quarantined(i.Binary, err)
		return
	}
	u.scheduleRetry(*u.wanted, err)
}

// rollBack returns to the version before a new one that failed on trial.
func (u *unit) rollBack(bad plugin.Binary, err error) {
	back := *u.previous
	u.endTrial()
	u.previous = nil
	u.wanted, u.served = &back, &back
	u.s.event("rolled_back", u.name, &bad, &back, err)
	u.bringUp(back, false)
	u.reject(bad, fmt.Sprintf("rolled back from %s, which is in quarantine: %v", bad.Label(), err), err, true)
	u.update(func(s *Status) { s.Previous = "" })
}

// endTrial ends the probation of a version that no longer serves.
func (u *unit) endTrial() {
	if u.probation != nil {
		u.probation.Stop()
		u.probation = nil
	}
	u.update(func(s *Status) { s.Probation = false })
}

func (u *unit) scheduleRetry(b plugin.Binary, err error) {
	l := u.s.o.Limits
	if u.backoffOf != b.Digest { // how often another version failed says nothing of this one
		u.backoff, u.backoffOf = 0, b.Digest
	}
	u.backoff = min(max(u.backoff*2, l.BackoffMin), l.BackoffMax)
	wait := u.backoff - time.Duration(rand.Int64N(int64(u.backoff)/4+1)) // jitter: up to a quarter sooner
	u.retry.Reset(wait)
	u.note(b, err, Failed)
	u.update(func(s *Status) { s.NextStart = time.Now().Add(wait) })
}

func (u *unit) quarantined(b plugin.Binary, err error) {
	h, _ := u.s.quarantine.find(b.Digest, time.Now())
	u.retry.Reset(time.Until(h.Until))
	u.note(b, err, Quarantined)
	u.update(func(s *Status) { s.NextStart = h.Until })
	u.s.event("quarantined", u.name, nil, &b, err)
}

// note shows a binary that does not serve.
func (u *unit) note(b plugin.Binary, err error, state State) {
	u.update(func(s *Status) {
		s.Error = err.Error()
		if u.active == nil {
			s.State, s.Version, s.Digest, s.Path, s.Group = state, b.Manifest.GetVersion(), b.Digest, b.Source, b.Manifest.GetGroup()
		}
	})
}
