package supervisor

import (
	"context"
	"testing"
	"time"
)

func TestARollbackByHandGoesBackFromAVersionThatOffersMore(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.put(binary("a", "1.0.0", "x"))
		w.put(binary("a", "2.0.0", "x", "y"))
		r, err := w.Rollback(context.Background(), "a")
		if err != nil || r.Change != "swapped" || r.NewVersion != "1.0.0" {
			t.Errorf("%+v, %v", r, err)
		}
		if w.serving("x") != "1.0.0" || w.serving("y") != "" {
			t.Errorf("%+v", w.status("a"))
		}
	})
}

func TestAVersionThatWasGoneBackToIsNotOnTrial(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.put(binary("a", "1.0.0", "x"))
		w.put(binary("a", "2.0.0", "x"))
		if _, err := w.Rollback(context.Background(), "a"); err != nil {
			t.Fatal(err)
		}
		if s := w.status("a"); s.Probation {
			t.Errorf("after the rollback: %+v", s)
		}
		w.process("a-1.0.0").Crash()
		time.Sleep(time.Second)
		if s := w.status("a"); w.serving("x") != "1.0.0" || s.Restarts != 1 {
			t.Errorf("after a crash: %+v", s)
		}
	})
}

func TestATrialEndsWithAWithdrawal(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.put(binary("a", "1.0.0", "x"))
		w.put(binary("a", "2.0.0", "x"))
		w.put()
		if s := w.status("a"); s.State != Stopped || s.Probation {
			t.Errorf("after the withdrawal: %+v", s)
		}
		w.put(binary("a", "2.0.0", "x"))
		w.process("a-2.0.0").Crash()
		time.Sleep(time.Second)
		if s := w.status("a"); w.serving("x") != "2.0.0" {
			t.Errorf("it went back to a file that was removed: %+v", s)
		}
	})
}

func TestARollbackByHandStaysAlsoWhenTheBadVersionWasDown(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.put(binary("a", "1.0.0", "x"))
		w.put(binary("a", "2.0.0", "x"))
		time.Sleep(2 * time.Minute)
		w.process("a-2.0.0").Crash()
		if s := w.status("a"); s.State != Failed {
			t.Fatalf("after the crash: %+v", s)
		}
		r, err := w.Rollback(context.Background(), "a")
		if err != nil || r.Change != "swapped" || r.OldVersion != "2.0.0" || r.NewVersion != "1.0.0" {
			t.Errorf("%+v, %v", r, err)
		}
		w.put(binary("a", "2.0.0", "x"))
		if v := w.serving("x"); v != "1.0.0" {
			t.Errorf("a look at the folder has undone the rollback: %s serves", v)
		}
	})
}

func TestAVersionThatCameWhileTheOneBeforeWasDownIsOnTrial(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.put(binary("a", "1.0.0", "x"))
		w.process("a-1.0.0").Crash()
		w.status("a")
		w.behave("a-2.0.0", conduct{crashAfter: 10 * time.Second})
		w.put(binary("a", "2.0.0", "x"))
		if s := w.status("a"); s.Version != "2.0.0" || !s.Probation || s.Previous != "1.0.0" || s.Restarts != 0 {
			t.Errorf("after the swap: %+v", s)
		}
		time.Sleep(11 * time.Second)
		if s := w.status("a"); w.serving("x") != "1.0.0" || s.Rejected == nil || s.Rejected.Digest != "a-2.0.0" {
			t.Errorf("after the crash on trial: %+v", s)
		}
	})
}

func TestAVersionInQuarantineIsNotGoneBackTo(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.put(binary("a", "1.0.0", "x"))
		crash(w)
		w.behave("a-2.0.0", conduct{crashAfter: 10 * time.Second})
		w.put(binary("a", "2.0.0", "x"))
		if s := w.status("a"); s.Version != "2.0.0" || s.Probation {
			t.Errorf("after the swap: %+v", s)
		}
		starts := w.count("a-1.0.0")
		time.Sleep(11 * time.Second) // the crash and the back-off
		if s := w.status("a"); w.count("a-1.0.0") != starts || w.serving("x") != "2.0.0" || s.Restarts != 5 {
			t.Errorf("after its crash: %+v", s)
		}
	})
}
