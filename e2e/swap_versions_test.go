package e2e

import (
	"strings"
	"testing"

	"go.temporal.io/sdk/client"

	"github.com/orch-host/orch/bench/load"
	"github.com/orch-host/orch/hostcore/supervisor"
)

func TestOfSeveralVersionsTheHighestThatTheConstraintAllowsServes(t *testing.T) {
	r := newRig(t, nil, loadService+"\n[plugins.load]\nversion = \"~1.4\"\n")
	for _, v := range []string{"1.3.9", "1.4.0", "1.4.2", "2.0.0"} {
		r.put("load-"+v, variant(t, load.Identity{Version: v}))
	}
	r.start()
	c := r.client(client.Options{})
	if got := r.work(c, "work"); got.Version != "1.4.2" {
		t.Errorf("version %s answered, want 1.4.2", got.Version)
	}
	r.put("load-1.4.10", variant(t, load.Identity{Version: "1.4.10"}))
	r.until("the new highest one serves", "load", serves("1.4.10"))
	r.remove("load-1.4.10")
	r.until("without it the next one serves", "load", serves("1.4.2"))
	t.Run("host plugin rollback goes back, and another look at the folder keeps that", func(t *testing.T) {
		r.expect(0, "plugin", "rollback", "load")
		r.until("the version before serves from the store", "load", serves("1.4.10"))
		r.host("plugin", "reload")
		if p := r.plugin("load"); p.Version != "1.4.10" {
			t.Errorf("the reload brought %+v", p)
		}
	})
}

func TestAnOldAndANewContractAreServedAtOnce(t *testing.T) {
	r := newRig(t, nil, loadService)
	r.put("load", variant(t, load.Identity{Version: "1.0.0"}))
	r.start()
	c := r.client(client.Options{})
	r.put("load", variant(t, load.Identity{Version: "2.0.0", Mode: "next"}))
	r.until("the version with both serves", "load", serves("2.0.0"))
	for _, activity := range []string{"work", "work@2"} {
		if got := r.work(c, activity); got.Version != "2.0.0" {
			t.Errorf("%s was answered by version %s", activity, got.Version)
		}
	}
	r.put("load", variant(t, load.Identity{Version: "3.0.0"}))
	p := r.until("a version that drops the new one again is refused", "load", func(p supervisor.Status) bool { return p.Rejected != nil })
	if !strings.Contains(p.Error, "activity work@2 is gone") || !strings.Contains(p.Error, "allow_breaking") || p.Version != "2.0.0" {
		t.Errorf("got %+v", p)
	}
}

func TestABreakingSwapThatIsAllowedIsMade(t *testing.T) {
	r := newRig(t, nil, loadService+"\n[plugins.load]\nallow_breaking = true\n")
	r.put("load", variant(t, load.Identity{Version: "1.0.0"}))
	r.start()
	r.put("load", variant(t, load.Identity{Version: "2.0.0", Mode: "narrow"}))
	p := r.until("the narrower version serves", "load", serves("2.0.0"))
	if len(p.Activities) != 1 || p.Activities[0] != "other" {
		t.Errorf("it offers %v", p.Activities)
	}
}
