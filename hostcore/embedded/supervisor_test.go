package embedded

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// puppet is a process that dies on command.
type puppet struct {
	pid  int
	done chan struct{}
}

func (p *puppet) Done() <-chan struct{}      { return p.done }
func (p *puppet) Exit() error                { return &ExitError{Pid: p.pid, Status: "killed"} }
func (p *puppet) Ready() readyMessage        { return readyMessage{Frontend: "127.0.0.1:7233"} }
func (p *puppet) Pid() int                   { return p.pid }
func (p *puppet) Stop(context.Context) error { return nil }

// stage is a supervisor over puppets, with what it told.
type stage struct {
	*supervisor
	events []Event
	live   *puppet
	starts atomic.Int64
	fail   error // of every launch, when set
	lag    time.Duration
}

func newStage() *stage {
	st := &stage{live: &puppet{pid: 1, done: make(chan struct{})}}
	st.supervisor = &supervisor{
		policy: Restart{Initial: time.Second, Max: 4 * time.Second, Failures: 5, Window: time.Minute},
		events: func(e Event) { st.events = append(st.events, e) },
		log:    slog.New(slog.DiscardHandler),
		launch: func(ctx context.Context) (process, error) {
			st.starts.Add(1)
			select {
			case <-time.After(st.lag):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			if st.fail != nil {
				return nil, st.fail
			}
			st.live = &puppet{pid: st.live.pid + 1, done: make(chan struct{})}
			return st.live, nil
		},
	}
	st.begin(st.live)
	return st
}

func (st *stage) kill() { close(st.live.done) }

func (st *stage) kinds() []EventKind {
	var out []EventKind
	for _, e := range st.events {
		out = append(out, e.Kind)
	}
	return out
}

func TestADeadServerIsStartedAgainAfterAPauseThatGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage()
		for _, pause := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second} {
			before, started := time.Now(), st.starts.Load()
			st.kill()
			for st.starts.Load() == started {
				time.Sleep(time.Second / 4)
				synctest.Wait()
			}
			if took := time.Since(before); took != pause {
				t.Errorf("start %d came after %s, want %s", st.starts.Load(), took, pause)
			}
		}
		st.stop(context.Background())
		<-st.done
		if st.err != nil {
			t.Errorf("a stop left the error %v", st.err)
		}
	})
}

func TestDeathsFarApartDoNotAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage()
		for range 20 {
			st.kill()
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		if st.starts.Load() != 20 || st.events[len(st.events)-2].Pause != time.Second {
			t.Errorf("%d starts, last pause %s; want 20 and the initial one", st.starts.Load(), st.events[len(st.events)-2].Pause)
		}
		st.stop(context.Background())
		<-st.done
	})
}

func TestTooManyFailuresInTheWindowEndIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage()
		st.fail = &StartError{Kind: KindPort, Message: "taken"}
		st.kill()
		<-st.done
		want := []EventKind{Died, Died, Died, Died, GaveUp}
		if d := cmp.Diff(want, st.kinds()); d != "" {
			t.Error(d)
		}
		var start *StartError
		if !errors.As(st.err, &start) || start.Kind != KindPort {
			t.Errorf("the last error got lost: %v", st.err)
		}
	})
}

func TestAFailureThatNoRestartMendsEndsItAtOnce(t *testing.T) {
	for name, err := range map[string]error{
		"another version":  &StartError{Kind: KindVersion},
		"a stale log":      &StartError{Kind: KindStaleLog},
		"a broken file":    &StartError{Kind: KindUnusable},
		"a usurper serves": &AlreadyRunningError{Address: "127.0.0.1:1", Pid: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := newStage()
				st.fail = err
				st.kill()
				<-st.done
				if st.starts.Load() != 1 || !errors.Is(st.err, err) {
					t.Errorf("%d starts, error %v; want one start and its error", st.starts.Load(), st.err)
				}
			})
		})
	}
}

func TestAStopIsObeyedInEveryPhase(t *testing.T) {
	for name, c := range map[string]struct {
		lag, after time.Duration
		starts     int
	}{
		"during the pause":        {0, time.Second / 2, 0},
		"while a start is on":     {time.Hour, 2 * time.Second, 1},
		"while the server serves": {0, 2 * time.Second, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := newStage()
				st.lag = c.lag
				st.kill()
				time.Sleep(c.after)
				synctest.Wait()
				before := time.Now()
				st.stop(context.Background())
				<-st.done
				if took := time.Since(before); took != 0 || int(st.starts.Load()) != c.starts || st.err != nil {
					t.Errorf("took %s, %d starts, error %v", took, st.starts.Load(), st.err)
				}
			})
		})
	}
}
