package supervisor

import (
	"context"
	"slices"
	"testing"
	"time"
)

func TestWhatMayStillBeNeededIsInUse(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		check := func(when string, want ...string) {
			t.Helper()
			w.status("a")
			if got, err := w.InUse(t.Context()); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %v, %v; want %v", when, got, err, want)
			}
		}
		w.put(binary("a", "1.0.0", "x"))
		check("one version", "a-1.0.0")
		route, _ := w.routes.Acquire("x")
		w.put(binary("a", "2.0.0", "x"))
		time.Sleep(2 * time.Minute) // the drain time is over, and the trial
		route.Instance.Release()
		check("after a swap", "a-1.0.0", "a-2.0.0")
		route, _ = w.routes.Acquire("x")
		w.put(binary("a", "3.0.0", "x"))
		w.put(binary("a", "4.0.0", "x"))
		check("while the second still finishes an attempt", "a-2.0.0", "a-3.0.0", "a-4.0.0")
		route.Instance.Release()
		w.process("a-4.0.0").Crash() // on trial
		check("after a rollback", "a-3.0.0", "a-4.0.0")
		time.Sleep(11 * time.Minute)
		check("after the quarantine", "a-3.0.0")
		w.put()
		check("after a withdrawal")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		w.Stop()
		if got, err := w.InUse(ctx); err == nil {
			t.Errorf("a supervisor that has stopped knows %v", got)
		}
	})
}
