package supervisor

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/sdk/pluginv1"
)

// unit keeps one plugin, by name, at the binary that is wanted. Its fields
// below mu are shared; all others belong to run's goroutine.
type unit struct {
	s        *Supervisor
	name     string
	requests chan request
	healths  chan health
	brought  chan broughtUp
	drains   sync.WaitGroup

	wanted     *plugin.Binary // what is to serve: the folder's choice, unless that was refused
	served     *plugin.Binary // what served last; nil after a withdrawal
	previous   *plugin.Binary // what served before active
	bringing   *plugin.Binary // what is being brought up now
	attempt    int            // counts bring-ups, so that the outcome of one that was given up is known
	stopBring  context.CancelFunc
	waiting    []request // answered by the bring-up under way
	backoff    time.Duration
	backoffOf  string // the digest that waited for it
	retry      *time.Timer
	probation  *time.Timer // nil: not on trial
	restarting bool        // the bring-up replaces a crashed process, not a version
	returning  bool        // the bring-up goes back to an earlier version: no trial

	mu       sync.Mutex
	active   *plugin.Instance
	status   Status
	source   plugin.Binary // what served last; empty after a withdrawal
	draining int
	leaving  map[string]int // earlier processes that have not ended yet, by digest
}

type broughtUp struct {
	attempt  int
	binary   plugin.Binary
	instance *plugin.Instance
	err      error
}

type health struct {
	instance *plugin.Instance
	status   *pluginv1.Status
}

func newUnit(s *Supervisor, name string) *unit {
	u := &unit{s: s, name: name, requests: make(chan request, 8), healths: make(chan health), brought: make(chan broughtUp),
		retry: time.NewTimer(time.Hour)}
	u.retry.Stop()
	u.status, u.leaving = Status{Name: name, State: Starting}, map[string]int{}
	return u
}

// replacedBy says whether one of the files took the place of the one that
// serves, or waits to be started again. The same content refused is another
// matter: the trust in it has ended. Of an attached plugin it only means that it
// does not answer now. A folder that cannot be looked at says nothing of the
// files in it.
func (u *unit) replacedBy(refusals []Refusal) (Refusal, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	b := u.source
	if b.Source == "" {
		return Refusal{}, false
	}
	for _, r := range refusals {
		file := r.Path == b.Source && (b.Attached || r.Digest != b.Digest)
		if file || strings.HasPrefix(b.Source, r.Path+string(filepath.Separator)) {
			return r, true
		}
	}
	return Refusal{}, false
}

// run is the unit's life; it returns when the supervisor stops and every
// process of the unit has ended.
func (u *unit) run() {
	defer u.shutDown()
	for {
		var gone <-chan struct{}
		if u.active != nil {
			gone = u.active.Done()
		}
		var onProbation <-chan time.Time
		if u.probation != nil {
			onProbation = u.probation.C
		}
		select {
		case <-u.s.ctx.Done():
			return
		case r := <-u.requests:
			u.handle(r)
		case b := <-u.brought:
			u.settle(b)
		case <-gone:
			u.lost(exitOf(u.active))
		case h := <-u.healths:
			u.judge(h)
		case <-u.retry.C:
			if u.wanted != nil && u.bringing == nil {
				u.bringUp(*u.wanted, u.restarting)
			}
		case <-onProbation:
			u.probation = nil
			u.update(func(s *Status) { s.Probation = false })
		}
	}
}

func exitOf(i *plugin.Instance) error {
	return &plugin.CrashError{Plugin: i.Manifest.GetName(), Version: i.Manifest.GetVersion(), Exit: i.Exit()}
}

// handle takes a request to the point where it is answered or a bring-up that
// will answer it is under way.
func (u *unit) handle(r request) {
	if r.digests {
		r.answer <- outcome{digests: u.digests()}
		return
	}
	if r.rollback {
		u.handleRollback(r)
		return
	}
	if r.refusal != nil {
		u.handleRefusal(r)
		return
	}
	if r.binary == nil {
		u.wanted, u.returning = nil, false
		u.withdraw()
		u.answer(r, "withdrawn", nil, nil)
		return
	}
	b := *r.binary
	if r.lift {
		u.s.quarantine.lift(b.Digest, time.Now())
		u.backoff = 0 // somebody looks after it
	}
	if h, ok := u.s.quarantine.find(b.Digest, time.Now()); ok {
		u.handleQuarantined(r, h)
		return
	}
	if u.active != nil && u.active.Digest == b.Digest {
		if u.bringing != nil && u.returning {
			u.answer(r, "unchanged", &u.active.Binary, nil) // a rollback is under way: the folder still says what it goes back from
			return
		}
		u.wanted = &u.active.Binary
		u.cancelBringUp()
		u.settled()
		u.answerAll("unchanged", &u.active.Binary, nil)
		u.answer(r, "unchanged", &u.active.Binary, nil)
		return
	}
	u.wanted, u.returning = &b, false
	u.waiting = append(u.waiting, r)
	if u.bringing == nil || u.bringing.Digest != b.Digest {
		u.bringUp(b, false)
	}
}

// settled forgets what was refused: the folder agrees with what serves.
func (u *unit) settled() {
	u.update(func(s *Status) {
		s.Rejected = nil
		if s.State == Ready {
			s.Error = ""
		}
	})
}

// handleQuarantined leaves everything as it is: what serves, or waits to be
// started again, goes before a binary that has failed. Where there is neither,
// after a restart of the host, a lower version in the folder takes its place.
func (u *unit) handleQuarantined(r request, h hold) {
	b := *r.binary
	err := fmt.Errorf("%s is in quarantine until %s (%s); host plugin reload %s tries it again", b.Label(), h.Until.Format(time.TimeOnly), h.Error, u.name)
	if u.wanted != nil {
		u.answer(r, "failed", &b, err)
		return
	}
	if next := u.instead(r.lower); next != nil {
		u.wanted, u.returning = next, false
		u.waiting = append(u.waiting, r)
		u.bringUp(*next, false)
		u.update(func(s *Status) {
			s.Error = err.Error()
			s.Rejected = &Rejected{Version: h.Version, Digest: h.Digest, Path: b.Source, Error: h.Error, Until: h.Until}
		})
		return
	}
	u.wanted = &b
	u.retry.Reset(time.Until(h.Until))
	u.note(b, err, Quarantined)
	u.update(func(s *Status) { s.NextStart = h.Until })
	u.answer(r, "failed", &b, err)
}

// instead is the highest of the versions that are not in quarantine.
func (u *unit) instead(lower []plugin.Binary) *plugin.Binary {
	var best *plugin.Binary
	for i := range lower {
		b := &lower[i]
		if _, held := u.s.quarantine.find(b.Digest, time.Now()); held {
			continue
		}
		if best == nil || plugin.Version(b.Manifest).GreaterThan(plugin.Version(best.Manifest)) {
			best = b
		}
	}
	return best
}

// handleRefusal shows why the file in the place of the one that serves is not
// taken.
func (u *unit) handleRefusal(r request) {
	if u.served != nil && u.served.Attached { // its connection tells more
		u.answer(r, "unchanged", u.served, nil)
		return
	}
	what := "was replaced by a file that may not run"
	if u.served != nil && r.refusal.Path != u.served.Source {
		what = "is a folder that cannot be used"
	}
	u.update(func(s *Status) {
		s.Error = fmt.Sprintf("%s %s; %s goes on from the store: %v", r.refusal.Path, what, s.Version, r.refusal.Err)
		s.Rejected = &Rejected{Digest: r.refusal.Digest, Path: r.refusal.Path, Error: r.refusal.Err.Error(), Until: r.refusal.Until}
	})
	u.answer(r, "unchanged", u.served, nil)
}

func (u *unit) handleRollback(r request) {
	if u.previous == nil {
		u.answer(r, "failed", nil, fmt.Errorf("plugin %s has no earlier version to go back to", u.name))
		return
	}
	back := *u.previous
	u.s.quarantine.lift(back.Digest, time.Now())
	u.wanted = &back
	u.waiting = append(u.waiting, r)
	u.returning = true
	u.bringUp(back, false)
}

// withdraw stops serving after a drain.
func (u *unit) withdraw() {
	u.cancelBringUp()
	u.retry.Stop()
	if i := u.active; i != nil {
		u.s.o.Router.Withdraw(i)
		u.mu.Lock()
		u.active = nil
		u.mu.Unlock()
		u.retire(i, u.drainTime(i))
		u.s.event("withdrawn", u.name, &i.Binary, nil, nil)
	}
	u.served = nil
	u.endTrial()
	u.answerAll("withdrawn", nil, nil)
	u.mu.Lock()
	u.source = plugin.Binary{}
	u.mu.Unlock()
	u.update(func(s *Status) {
		if s.State != Stopped {
			s.Withdrawn = time.Now()
		}
		s.State, s.Pid, s.Since, s.NextStart = Stopped, 0, time.Time{}, time.Time{}
		s.Error, s.Rejected = "", nil
	})
}

// retire drains and stops an instance in the background.
func (u *unit) retire(i *plugin.Instance, drain time.Duration) {
	u.mu.Lock()
	u.draining++
	u.leaving[i.Digest]++
	u.mu.Unlock()
	u.drains.Go(func() {
		report := i.Drain(context.Background(), drain, u.s.o.Limits.Grace)
		u.mu.Lock()
		u.draining--
		if u.leaving[i.Digest]--; u.leaving[i.Digest] == 0 {
			delete(u.leaving, i.Digest)
		}
		u.mu.Unlock()
		if report.Canceled > 0 {
			u.s.logger(u.name).Warn("attempts were cancelled because the drain time was over",
				"version", i.Manifest.GetVersion(), "canceled", report.Canceled, "cut", report.Cut)
		}
	})
}

// judge acts on a health report of the active instance.
func (u *unit) judge(h health) {
	if h.instance != u.active {
		return
	}
	switch h.status.GetHealth() {
	case pluginv1.Status_READY:
		if u.state() == Degraded {
			u.update(func(s *Status) { s.State, s.Error = Ready, "" })
			u.s.event("recovered", u.name, nil, &u.active.Binary, nil)
		}
	case pluginv1.Status_DEGRADED:
		err := fmt.Errorf("it reports: %s", h.status.GetMessage())
		if u.state() != Degraded {
			u.s.event("degraded", u.name, nil, &u.active.Binary, err)
		}
		u.update(func(s *Status) { s.State, s.Error = Degraded, err.Error() })
	case pluginv1.Status_FAILED:
		u.lost(fmt.Errorf("it reports that it cannot serve: %s", h.status.GetMessage()))
	}
}

func (u *unit) state() State {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.status.State
}

func (u *unit) update(change func(*Status)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	change(&u.status)
}

func (u *unit) snapshot() Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.status
	s.Draining = u.draining
	if u.active != nil {
		s.InFlight = u.active.InFlight()
	}
	return s
}

func (u *unit) answer(r request, change string, b *plugin.Binary, err error) {
	o := outcome{Result: Result{Name: u.name, Change: change}, err: err}
	if b != nil {
		o.Path, o.NewVersion, o.NewDigest = b.Source, b.Manifest.GetVersion(), b.Digest
	}
	if u.previous != nil && change == "swapped" {
		o.OldVersion, o.OldDigest = u.previous.Manifest.GetVersion(), u.previous.Digest
	}
	if err != nil {
		o.Error = err.Error()
	}
	r.answer <- o
}

func (u *unit) answerAll(change string, b *plugin.Binary, err error) {
	for _, r := range u.waiting {
		u.answer(r, change, b, err)
	}
	u.waiting = nil
}

// shutDown drains what runs and waits for every process of the unit.
func (u *unit) shutDown() {
	u.cancelBringUp()
	u.retry.Stop()
	u.update(func(s *Status) { s.State = Draining })
	if i := u.active; i != nil {
		u.s.o.Router.Withdraw(i)
		u.retire(i, u.drainTime(i))
	}
	u.drains.Wait()
	u.update(func(s *Status) { s.State, s.Pid = Stopped, 0 })
}
