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
