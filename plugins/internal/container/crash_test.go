package container

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestACrashBetweenAnyTwoCallsIsRepairedByTheNextEnsure lets the caller die
// after each call that changes something, with the call done or not, and tries
// again with a new engine.
func TestACrashBetweenAnyTwoCallsIsRepairedByTheNextEnsure(t *testing.T) {
	for _, from := range []string{"nothing", "another spec", "a stopped container"} {
		t.Run("from "+from, func(t *testing.T) {
			begin := func(w *world) (volumes []string) {
				switch from {
				case "another spec":
					return w.ensure(w.spec("old")).Volumes
				case "a stopped container":
					res := w.ensure(w.full("new"))
					if _, err := w.Stop(w.t.Context(), w.spec("").Ref()); err != nil {
						w.t.Fatal(err)
					}
					return res.Volumes
				}
				return nil
			}
			w := newWorld(t)
			begin(w)
			p := newProxy(t)
			if _, err := w.engine(Options{Host: p.host}).Ensure(t.Context(), w.full("new")); err != nil {
				t.Fatal(err)
			}
			changes := p.changes()
			if len(changes) < 2 {
				t.Fatalf("only %d changes: %v", len(changes), changes)
			}
			for i, change := range changes {
				for _, lost := range []bool{false, true} {
					name := fmt.Sprintf("before call %d %s", i+1, shorten(change))
					if lost {
						name = fmt.Sprintf("after call %d %s", i+1, shorten(change))
					}
					t.Run(name, func(t *testing.T) {
						w := newWorld(t)
						begin(w)
						p := newProxy(t)
						p.fail, p.lost = i+1, lost
						_, err := w.engine(Options{Host: p.host, OutageGrace: -1}).Ensure(t.Context(), w.full("new"))
						if err == nil {
							t.Fatal("Ensure succeeded through a dead connection")
						}
						res := w.ensure(w.full("new"))
						if got := w.says(res); got != "new" {
							t.Errorf("it says %q, want new", got)
						}
						if diff := cmp.Diff(map[string]string{w.service + "-web": "running"}, w.containers()); diff != "" {
							t.Errorf("containers (-want +got):\n%s", diff)
						}
						if again := w.ensure(w.full("new")); again.Action != Unchanged || again.ID != res.ID {
							t.Errorf("once more: %+v, want unchanged", again)
						}
					})
				}
			}
		})
	}
}

// full is a spec that needs every kind of call.
func (w *world) full(text string) Spec {
	s := w.spec(text)
	s.Files = []File{{Path: "/etc/web/text", Content: []byte(text)}}
	s.Cmd = []string{"file", "/etc/web/text"}
	s.Networks = append(s.Networks, Network{Name: w.service + "-shared", Shared: true})
	return s
}

// shorten leaves the ids out of an API path.
func shorten(change string) string {
	out := []rune{}
	hex := 0
	for _, r := range change {
		if (r >= '0' && r <= '9') || (r >= 'a' && r <= 'f') {
			hex++
		} else {
			hex = 0
		}
		if hex <= 6 {
			out = append(out, r)
		}
	}
	return string(out)
}

func TestAFailedReplacementWithACrashInTheMiddleStillGoesBack(t *testing.T) {
	w := newWorld(t)
	before := w.ensure(w.spec("old"))
	bad := w.spec("new")
	bad.Cmd = []string{"exit", "4"}
	ctx, cancel := context.WithCancel(t.Context())
	p := newProxy(t)
	p.fail, p.onDown = 8, cancel // somewhere after the old one has made way
	_, err := w.engine(Options{Host: p.host, OutageGrace: -1}).Ensure(ctx, bad)
	if err == nil {
		t.Fatal("Ensure succeeded through a dead connection")
	}
	_, err = w.Ensure(t.Context(), bad)
	var exited *ExitedError
	if !errors.As(err, &exited) || !exited.RolledBack {
		t.Fatalf("error %v, want a rolled back ExitedError", err)
	}
	if after := w.ensure(w.spec("old")); after.ID != before.ID || w.says(after) != "old" {
		t.Errorf("afterwards %+v, want the container of before", after)
	}
}

func TestARestartOfDockerInTheMiddleIsWaitedFor(t *testing.T) {
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprintf("with the answer lost %v", lost), func(t *testing.T) {
			w := newWorld(t)
			w.ensure(w.spec("old"))
			p := newProxy(t)
			back := make(chan struct{})
			p.fail, p.lost = 5, lost
			p.onDown = func() {
				time.AfterFunc(700*time.Millisecond, func() { p.setDown(false); close(back) })
			}
			res, err := w.engine(Options{Host: p.host}).Ensure(t.Context(), w.full("new"))
			<-back
			if err != nil {
				t.Fatal(err)
			}
			if got := w.says(res); got != "new" {
				t.Errorf("it says %q", got)
			}
			if diff := cmp.Diff(map[string]string{w.service + "-web": "running"}, w.containers()); diff != "" {
				t.Errorf("containers (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("while stopping", func(t *testing.T) {
		w := newWorld(t)
		w.ensure(w.spec("x"))
		p := newProxy(t)
		p.fail, p.lost = 1, true
		p.onDown = func() { time.AfterFunc(300*time.Millisecond, func() { p.setDown(false) }) }
		if _, err := w.engine(Options{Host: p.host}).Delete(t.Context(), w.spec("").Ref(), DeleteOptions{Purge: true}); err != nil {
			t.Fatal(err)
		}
		if got := w.containers(); len(got) != 0 {
			t.Errorf("containers %v, want none", got)
		}
	})
}
