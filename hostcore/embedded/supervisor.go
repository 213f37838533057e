package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// process is a started devserver, as the supervisor sees it.
type process interface {
	Done() <-chan struct{}
	Exit() error
	Ready() readyMessage
	Pid() int
	Stop(ctx context.Context) error
}

var _ process = (*child)(nil)

// supervisor keeps one process alive from begin to stop.
type supervisor struct {
	launch func(context.Context) (process, error)
	policy Restart
	events func(Event)
	log    *slog.Logger

	mu  sync.Mutex
	now process

	stopping chan context.Context // the context of Stop, sent once
	done     chan struct{}
	err      error // why it gave up; set before done is closed
	stopErr  error // what stopping the process said; likewise
}

// begin watches first until it is stopped or cannot be kept alive.
func (s *supervisor) begin(first process) {
	s.now = first
	s.stopping = make(chan context.Context, 1)
	s.done = make(chan struct{})
	go s.run()
}

func (s *supervisor) stop(ctx context.Context) { s.stopping <- ctx }

func (s *supervisor) current() process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *supervisor) run() {
	defer close(s.done)
	failures := deaths{policy: s.policy}
	for {
		p := s.current()
		select {
		case ctx := <-s.stopping:
			s.stopErr = p.Stop(ctx)
			return
		case <-p.Done():
		}
		next := s.restart(&failures, p)
		if next == nil {
			return
		}
		s.mu.Lock()
		s.now = next
		s.mu.Unlock()
		s.log.Info("embedded Temporal server serves again", readyAttrs(next)...)
		s.tell(Event{Kind: Restarted, Pid: next.Pid()})
	}
}

// restart starts a successor of the dead process; nil when it was stopped
// meanwhile or there is no use in trying.
func (s *supervisor) restart(failures *deaths, dead process) process {
	err, pid := dead.Exit(), dead.Pid()
	_ = dead.Stop(context.Background()) // gives its descriptors back
	for {
		pause, again := failures.add(time.Now())
		if !again || hopeless(err) {
			s.err = fmt.Errorf("embedded Temporal server given up after %d failures within %s: %w",
				len(failures.at), s.policy.Window, err)
			s.log.Error("embedded Temporal server given up", "failures", len(failures.at), "error", err)
			s.tell(Event{Kind: GaveUp, Pid: pid, Err: s.err})
			return nil
		}
		s.log.Warn("embedded Temporal server died; starting it again", "pause", pause, "error", err)
		s.tell(Event{Kind: Died, Pid: pid, Err: err, Pause: pause})
		var next process
		next, err = s.try(pause)
		if next != nil || err == nil {
			return next
		}
		pid = 0
	}
}

// try starts a process after the pause. A Stop in between cancels it: then it
// returns neither a process nor an error.
func (s *supervisor) try(pause time.Duration) (process, error) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-s.stopping:
		return nil, nil
	case <-timer.C:
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	type result struct {
		p   process
		err error
	}
	out := make(chan result, 1)
	go func() {
		p, err := s.launch(ctx)
		out <- result{p, err}
	}()
	select {
	case r := <-out:
		return r.p, r.err
	case stop := <-s.stopping:
		cancel()
		if r := <-out; r.p != nil {
			s.stopErr = r.p.Stop(stop)
		}
		return nil, nil
	}
}

// hopeless reports whether a restart would end as the last one did.
func hopeless(err error) bool {
	var start *StartError
	if errors.As(err, &start) {
		return start.permanent()
	}
	var other *AlreadyRunningError
	return errors.As(err, &other) // somebody else took the database over
}

func (s *supervisor) tell(e Event) {
	if s.events != nil {
		s.events(e)
	}
}
