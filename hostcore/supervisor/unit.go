package supervisor

import (
	"context"
	"errors"
	"fmt"
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

	wanted     *plugin.Binary // what the folder says
	previous   *plugin.Binary // what served before active
	bringing   *plugin.Binary // what is being brought up now
	stopBring  context.CancelFunc
	waiting    []request // answered by the bring-up under way
	quarantine *quarantine
	backoff    time.Duration
	retry      *time.Timer
	probation  *time.Timer // nil: not on trial
	restarting bool        // the bring-up replaces a crashed process, not a version
	returning  bool        // the bring-up goes back to an earlier version: no trial

	mu       sync.Mutex
	active   *plugin.Instance
	status   Status
	draining int
}

// request asks a unit for a change; answer gets exactly one value.
type request struct {
	binary   *plugin.Binary // nil: withdraw
	lift     bool           // lift the binary's quarantine
	rollback bool
	answer   chan outcome
}

type outcome struct {
	Result
	err error
}

type broughtUp struct {
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
		quarantine: newQuarantine(s.o.Limits), retry: time.NewTimer(time.Hour)}
	u.retry.Stop()
	u.status = Status{Name: name, State: Starting}
	return u
}

// ask hands over what is wanted and returns a function that waits for the
// outcome.
func (u *unit) ask(b *plugin.Binary, lift bool) func() Result {
	wait := u.send(request{binary: b, lift: lift})
	return func() Result { return wait().Result }
}

func (u *unit) askRollback() func() (Result, error) {
	wait := u.send(request{rollback: true})
	return func() (Result, error) { o := wait(); return o.Result, o.err }
}

func (u *unit) send(r request) func() outcome {
	r.answer = make(chan outcome, 1)
	select {
	case u.requests <- r:
	case <-u.s.ctx.Done():
	}
	return func() outcome {
		select {
		case o := <-r.answer:
			return o
		case <-u.s.ctx.Done():
			return outcome{Result{Name: u.name, Change: "failed", Error: "the host is stopping"}, errors.New("the host is stopping")}
		}
	}
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
	if r.rollback {
		u.handleRollback(r)
		return
	}
	u.wanted, u.returning = r.binary, false
	if r.binary == nil {
		u.withdraw()
		u.answer(r, "withdrawn", nil, nil)
		return
	}
	b := *r.binary
	if r.lift {
		u.quarantine.lift(b.Digest)
	}
	if u.active != nil && u.active.Digest == b.Digest {
		u.cancelBringUp()
		u.answer(r, "unchanged", &u.active.Binary, nil)
		return
	}
	if ends := u.quarantine.ends(b.Digest, time.Now()); !ends.IsZero() {
		err := fmt.Errorf("%s is in quarantine until %s because it failed too often; host plugin reload %s tries it again", b.Label(), ends.Format(time.TimeOnly), u.name)
		u.note(b, err, Quarantined)
		u.answer(r, "failed", &b, err)
		return
	}
	u.waiting = append(u.waiting, r)
	if u.bringing == nil || u.bringing.Digest != b.Digest {
		u.bringUp(b, false)
	}
}

func (u *unit) handleRollback(r request) {
	if u.previous == nil {
		u.answer(r, "failed", nil, fmt.Errorf("plugin %s has no earlier version to go back to", u.name))
		return
	}
	back := *u.previous
	if u.active != nil {
		u.quarantine.put(u.active.Digest, time.Now()) // else the next look at the folder would bring it back
	}
	u.quarantine.lift(back.Digest)
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
	u.update(func(s *Status) { s.State, s.Pid, s.Since, s.NextStart = Stopped, 0, time.Time{}, time.Time{} })
}

// retire drains and stops an instance in the background.
func (u *unit) retire(i *plugin.Instance, drain time.Duration) {
	u.mu.Lock()
	u.draining++
	u.mu.Unlock()
	u.drains.Go(func() {
		report := i.Drain(context.Background(), drain, u.s.o.Limits.Grace)
		u.mu.Lock()
		u.draining--
		u.mu.Unlock()
		if report.Canceled > 0 {
			u.s.o.Logger.Warn("attempts were cancelled because the drain time was over",
				"plugin", u.name, "version", i.Manifest.GetVersion(), "canceled", report.Canceled, "cut", report.Cut)
		}
	})
}

// watch forwards the health that i pushes until its process ends.
func (u *unit) watch(i *plugin.Instance) {
	u.drains.Go(func() {
		_ = i.Watch(u.s.ctx, func(s *pluginv1.Status) bool { // its end is seen through Done
			select {
			case u.healths <- health{i, s}:
				return true
			case <-u.s.ctx.Done():
				return false
			}
		})
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
