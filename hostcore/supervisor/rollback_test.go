package supervisor

import (
	"context"
	"testing"
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
