package container

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// TestACanceledEnsureLeavesNothingThatIsHalfMade cancels before each of the
// calls that change something.
func TestACanceledEnsureLeavesNothingThatIsHalfMade(t *testing.T) {
	for _, from := range []string{"nothing", "another one"} {
		for n := 1; n <= 6; n++ {
			t.Run(fmt.Sprintf("from %s, before change %d", from, n), func(t *testing.T) {
				w := newWorld(t)
				want := map[string]string{}
				if from != "nothing" {
					w.ensure(w.full("old"))
					want[w.service+"-web"] = "running"
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				p := newProxy(t)
				p.onChange = func(i int) {
					if i == n {
						cancel()
					}
				}
				_, err := w.engine(Options{Host: p.host}).Ensure(ctx, w.full("new"))
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("error %v, want canceled; changes %q", err, p.changes())
				}
				for name, state := range w.containers() {
					if name != w.service+"-web" || want[name] != "" && state != want[name] {
						t.Errorf("left: %s, %s; changes %q", name, state, p.changes())
					}
				}
				if got := w.ensure(w.full("new")); w.says(got) != "new" {
					t.Errorf("the next attempt: %+v", got)
				}
			})
		}
	}
}
