package supervisor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/sdk/pluginv1"
)

func TestAPluginServesWhatItOffers(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.put(binary("a", "1.0.0", "x", "y"), binary("b", "1.0.0", "z"))
		if diff := cmp.Diff([]string{"x", "y", "z"}, w.routes.Activities()); diff != "" {
			t.Errorf("activities (-want +got):\n%s", diff)
		}
		if s := w.status("a"); s.State != Ready || s.Version != "1.0.0" || !slices.Equal(s.Activities, []string{"x", "y"}) || s.Error != "" {
			t.Errorf("%+v", s)
		}
	})
}

func TestASwapLetsRunningAttemptsFinishInTheOldVersion(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.put(binary("a", "1.0.0", "x"))
		route, ok := w.routes.Acquire("x")
		if !ok {
			t.Fatal("nothing serves x")
		}
		results := w.put(binary("a", "1.1.0", "x"))
		if len(results) != 1 || results[0].Change != "swapped" || results[0].OldVersion != "1.0.0" || results[0].NewVersion != "1.1.0" {
			t.Errorf("%+v", results)
		}
		if v := w.serving("x"); v != "1.1.0" {
			t.Errorf("version %q serves after the swap", v)
		}
		time.Sleep(20 * time.Second)
		if s := w.status("a"); s.Draining != 1 || s.Swaps != 1 || s.Previous != "1.0.0" || !w.process("a-1.0.0").Running() {
			t.Errorf("while an attempt runs in the old version: %+v", s)
		}
		route.Instance.Release()
		if s := w.status("a"); s.Draining != 0 || w.process("a-1.0.0").Running() {
			t.Errorf("after its last attempt: %+v", s)
		}
	})
}

func TestAnAttemptThatOutlivesTheDrainTimeIsAskedToGiveUpAndThenCut(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.put(binary("a", "1.0.0", "x"))
		route, _ := w.routes.Acquire("x")
		w.put(binary("a", "1.1.0", "x"))
		time.Sleep(29 * time.Second)
		if w.status("a"); !w.process("a-1.0.0").Running() {
			t.Error("the old version ended before the drain time was over")
		}
		time.Sleep(12 * time.Second) // drain 30 s, grace 10 s
		if w.status("a"); w.process("a-1.0.0").Running() {
			t.Error("the old version is there after drain and grace")
		}
		route.Instance.Release()
	})
}

func TestAVersionThatCannotServeLeavesTheOldOneServing(t *testing.T) {
	tests := []struct {
		name   string
		next   plugin.Binary
		how    conduct
		within time.Duration
		why    string
	}{
		{"it does not start", binary("a", "2.0.0", "x"), conduct{launch: errors.New("exec format error")}, 0, "exec format error"},
		{"it crashes before it is ready", binary("a", "2.0.0", "x"), conduct{neverReady: true, crashAfter: time.Second}, 31 * time.Second, ""},
		{"it never gets ready", binary("a", "2.0.0", "x"), conduct{neverReady: true}, 31 * time.Second, "deadline"},
		{"it drops an activity", binary("a", "2.0.0", "y"), conduct{}, 0, "activity x is gone"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(t *testing.T, w *world) {
				w.put(binary("a", "1.0.0", "x"))
				w.behave(tt.next.Digest, tt.how)
				began := time.Now()
				results := w.put(tt.next)
				if took := time.Since(began); took > tt.within {
					t.Errorf("it took %s", took)
				}
				if len(results) != 1 || results[0].Change != "failed" || !strings.Contains(results[0].Error, tt.why) {
					t.Errorf("%+v", results)
				}
				s := w.status("a")
				if w.serving("x") != "1.0.0" || s.State != Ready || s.Version != "1.0.0" || !strings.Contains(s.Error, tt.why) {
					t.Errorf("the old one: %+v", s)
				}
				if s.Rejected == nil || s.Rejected.Digest != "a-2.0.0" || time.Until(s.Rejected.Until) < 9*time.Minute {
					t.Errorf("rejected: %+v", s.Rejected)
				}
				w.put(tt.next) // the folder is looked at again
				if n := w.count("a-2.0.0"); n != 1 {
					t.Errorf("the refused version was started %d times", n)
				}
			})
		})
	}
}

func TestABreakingVersionServesWhereItIsAllowed(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.groups["a"] = Group{AllowBreaking: true}
		w.put(binary("a", "1.0.0", "x"))
		w.put(binary("a", "2.0.0", "y"))
		if w.serving("y") != "2.0.0" || w.serving("x") != "" {
			t.Errorf("%+v", w.status("a"))
		}
	})
}

func TestANewVersionThatCrashesOnProbationIsTakenBack(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.put(binary("a", "1.0.0", "x"))
		w.behave("a-2.0.0", conduct{crashAfter: 59 * time.Second})
		w.put(binary("a", "2.0.0", "x"))
		if s := w.status("a"); !s.Probation || s.Version != "2.0.0" {
			t.Errorf("after the swap: %+v", s)
		}
		time.Sleep(59 * time.Second)
		s := w.status("a")
		if w.serving("x") != "1.0.0" || s.State != Ready || s.Probation || s.Rejected == nil || s.Rejected.Digest != "a-2.0.0" {
			t.Errorf("after the crash: %+v", s)
		}
		w.put(binary("a", "2.0.0", "x"))
		if w.serving("x") != "1.0.0" || w.count("a-2.0.0") != 1 {
			t.Error("the next look at the folder has brought the bad version back")
		}
		if k := w.kinds(); !slices.Contains(k, "rolled_back") || !slices.Contains(k, "quarantined") {
			t.Errorf("events: %v", k)
		}
	})
}

func TestANewVersionThatCrashesAfterItsProbationIsRestarted(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.put(binary("a", "1.0.0", "x"))
		w.behave("a-2.0.0", conduct{crashAfter: 61 * time.Second})
		w.put(binary("a", "2.0.0", "x"))
		time.Sleep(62 * time.Second)
		if s := w.status("a"); w.serving("x") != "2.0.0" || s.Restarts != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestAPluginThatReportsThatItCannotServeIsRestarted(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.put(binary("a", "1.0.0", "x"))
		p := w.process("a-1.0.0")
		p.Server.Report(pluginv1.Status_DEGRADED, "slow disk")
		if s := w.status("a"); s.State != Degraded || w.serving("x") != "1.0.0" || !strings.Contains(s.Error, "slow disk") {
			t.Errorf("degraded: %+v", s)
		}
		p.Server.Report(pluginv1.Status_READY, "")
		if s := w.status("a"); s.State != Ready || s.Error != "" {
			t.Errorf("recovered: %+v", s)
		}
		p.Server.Report(pluginv1.Status_FAILED, "out of luck")
		if s := w.status("a"); s.State != Failed || w.serving("x") != "" || p.Running() {
			t.Errorf("failed: %+v", s)
		}
		time.Sleep(time.Second)
		if s := w.status("a"); s.State != Ready || s.Restarts != 1 {
			t.Errorf("restarted: %+v", s)
		}
	})
}

func TestRestartsBackOffAndEndInQuarantine(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.behave("a-1.0.0", conduct{launch: errors.New("no such library")})
		w.put(binary("a", "1.0.0", "x"))
		time.Sleep(time.Minute)
		if s := w.status("a"); s.State != Quarantined || !strings.Contains(s.Error, "no such library") {
			t.Fatalf("%+v", s)
		}
		want := []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}
		if len(w.starts) != len(want)+1 {
			t.Fatalf("%d starts before the quarantine, want %d", len(w.starts), len(want)+1)
		}
		for i, longest := range want {
			if waited := w.starts[i+1].at.Sub(w.starts[i].at); waited > longest || waited < longest*3/4 {
				t.Errorf("before start %d it waited %s, want %s or up to a quarter less", i+2, waited, longest)
			}
		}
		w.behave("a-1.0.0", conduct{})
		time.Sleep(8 * time.Minute)
		if n := w.count("a-1.0.0"); n != 5 {
			t.Errorf("it was started %d times in quarantine", n-5)
		}
		time.Sleep(2 * time.Minute)
		if s := w.status("a"); s.State != Ready || s.Error != "" {
			t.Errorf("after the quarantine: %+v", s)
		}
	})
}

func TestAReloadByNameLiftsTheQuarantine(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.behave("a-1.0.0", conduct{launch: errors.New("no such library")})
		w.put(binary("a", "1.0.0", "x"))
		time.Sleep(time.Minute)
		w.behave("a-1.0.0", conduct{})
		if r := w.put(binary("a", "1.0.0", "x")); r[0].Change != "failed" || !strings.Contains(r[0].Error, "host plugin reload a") {
			t.Errorf("a look at the folder: %+v", r)
		}
		if r := w.Reload(context.Background(), "a"); r[0].Change != "started" && r[0].Change != "restarted" {
			t.Errorf("a reload by name: %+v", r)
		}
		if s := w.status("a"); s.State != Ready {
			t.Errorf("%+v", s)
		}
	})
}

func TestAnotherBinaryIsStartedAlthoughTheOneBeforeIsInQuarantine(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.behave("a-1.0.0", conduct{launch: errors.New("no such library")})
		w.put(binary("a", "1.0.0", "x"))
		time.Sleep(time.Minute)
		w.put(binary("a", "1.0.1", "x"))
		if s := w.status("a"); s.State != Ready || s.Version != "1.0.1" {
			t.Errorf("%+v", s)
		}
	})
}

func TestAFileThatIsRemovedIsWithdrawnAfterItsAttempts(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.put(binary("a", "1.0.0", "x"))
		route, _ := w.routes.Acquire("x")
		w.put()
		if s := w.status("a"); s.State != Stopped || w.serving("x") != "" || !w.process("a-1.0.0").Running() {
			t.Errorf("while an attempt runs: %+v", s)
		}
		route.Instance.Release()
		if w.status("a"); w.process("a-1.0.0").Running() {
			t.Error("its process is left")
		}
		w.put(binary("a", "1.0.0", "x"))
		if w.serving("x") != "1.0.0" {
			t.Error("the file came back and does not serve")
		}
	})
}

func TestTwoPluginsCannotOfferOneName(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.put(binary("a", "1.0.0", "x"))
		w.put(binary("a", "1.0.0", "x"), binary("b", "1.0.0", "x", "y"))
		s := w.status("b")
		if !strings.Contains(s.Error, "/plugins/a-1.0.0") || s.State == Ready || w.serving("y") != "" {
			t.Errorf("the second: %+v", s)
		}
		if route, _ := w.routes.Lookup("x"); route.Instance.Manifest.GetName() != "a" {
			t.Error("the first no longer serves")
		}
	})
}

func TestTheHighestVersionThatMayRunServes(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.groups["a"] = Group{Version: "<2"}
		w.put(binary("a", "1.9.0", "x"), binary("a", "1.10.0", "x"), binary("a", "2.0.0", "x"))
		if v := w.serving("x"); v != "1.10.0" {
			t.Errorf("version %s serves", v)
		}
		var told bool
		for _, s := range w.List() {
			told = told || s.State == Refused && strings.Contains(s.Error, `plugins.a.version = "<2"`)
		}
		if !told {
			t.Errorf("nobody says why 2.0.0 does not run: %+v", w.List())
		}
	})
}

func TestARollbackByHandStaysUntilAnotherVersionComes(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.put(binary("a", "1.0.0", "x"))
		if _, err := w.Rollback(context.Background(), "a"); err == nil || !strings.Contains(err.Error(), "no earlier version") {
			t.Errorf("with nothing to go back to: %v", err)
		}
		w.put(binary("a", "2.0.0", "x"))
		if r, err := w.Rollback(context.Background(), "a"); err != nil || r.NewVersion != "1.0.0" {
			t.Errorf("%+v, %v", r, err)
		}
		w.put(binary("a", "2.0.0", "x"))
		if v := w.serving("x"); v != "1.0.0" {
			t.Errorf("a look at the folder has undone the rollback: %s serves", v)
		}
		w.put(binary("a", "2.0.1", "x"))
		if v := w.serving("x"); v != "2.0.1" {
			t.Errorf("%s serves", v)
		}
		if _, err := w.Rollback(context.Background(), "nobody"); !errors.Is(err, ErrUnknownPlugin) {
			t.Errorf("%v", err)
		}
	})
}

func TestStopDrainsAndLeavesNothing(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.behave("c-1.0.0", conduct{launch: errors.New("no such library")})
		w.put(binary("a", "1.0.0", "x"), binary("b", "1.0.0", "y"), binary("c", "1.0.0", "z"))
		route, _ := w.routes.Acquire("x")
		time.AfterFunc(5*time.Second, route.Instance.Release)
		began := time.Now()
		w.Stop()
		if took := time.Since(began); took < 5*time.Second || took > 6*time.Second {
			t.Errorf("stopping took %s, want the 5 s of the running attempt", took)
		}
		if left := w.routes.Activities(); len(left) > 0 {
			t.Errorf("routes are left: %v", left)
		}
		if r := w.Reload(context.Background(), ""); len(r) > 0 {
			t.Errorf("a reload after the end did %+v", r)
		}
	})
}

func TestAReloadByNameStartsTheBackOffAnew(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.put(binary("a", "1.0.0", "x"))
		for range 4 { // back-offs of 0.5, 1, 2 and 4 s
			w.process("a-1.0.0").Crash()
			time.Sleep(5 * time.Second)
		}
		w.Reload(context.Background(), "a")
		w.process("a-1.0.0").Crash()
		time.Sleep(500 * time.Millisecond)
		if s := w.status("a"); s.State != Ready || s.Restarts != 5 {
			t.Errorf("half a second after the crash: %+v", s)
		}
	})
}
