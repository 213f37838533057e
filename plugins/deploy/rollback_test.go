package deploy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/orch-host/orch/plugins/deploy/deploytest"
)

func TestARollbackWithNowhereToGoDoesNotSucceed(t *testing.T) {
	ff, fr := newFly(t)
	if _, _, fail := flyDeployment(fr, nil); fail != nil {
		t.Fatal(fail)
	}
	wf, wr := newRailway(t)
	if _, _, fail := railwayDeployment(wr, nil); fail != nil {
		t.Fatal(fail)
	}
	rf, rr := newRender(t)
	if _, _, fail := renderDeployment(rr, nil); fail != nil {
		t.Fatal(fail)
	}
	updated := ff.Updated
	// What the workflow passes on when only the image before is known, or when it is the same one.
	for name, c := range map[string]struct {
		r        *run
		activity string
		in       map[string]any
		text     string
	}{
		"fly":     {fr, "rollback_flyio_activity", flyApp(map[string]any{"image": "ghcr.io/acme/shop:v2", "previous_image": "ghcr.io/acme/shop:v2"}), "configuration"},
		"railway": {wr, "rollback_railway_activity", railwayApp(map[string]any{"previous_image": "ghcr.io/acme/shop:v1"}), "ghcr.io/acme/shop:v1"},
		"render":  {rr, "rollback_render_activity", renderApp(map[string]any{"previous_image": "ghcr.io/acme/shop:v1"}), "ghcr.io/acme/shop:v1"},
	} {
		fail := c.r.do(c.activity, c.in, nil)
		if fail == nil || !fail.Final || !strings.Contains(fail.Message, c.text) {
			t.Errorf("%s: %v, want a final failure that names %s", name, fail, c.text)
		}
	}
	if wf.Rollbacks+rf.Rollbacks != 0 || ff.Updated != updated {
		t.Error("something was changed")
	}
}

func TestAFailedDeploymentLeavesNoReleaseMachine(t *testing.T) {
	in := map[string]any{"release_command": "bin/migrate"}
	for n := range 20 { // 0: the plugin does not die
		for _, when := range []deploytest.When{deploytest.BeforeWork, deploytest.AfterWork} {
			t.Run(fmt.Sprintf("call %d/after work %v", n, when == deploytest.AfterWork), func(t *testing.T) {
				matrix(t)
				f, r := newFly(t)
				r.must("create_flyio_app_activity", flyApp(in), nil)
				r.must("deploy_to_flyio_activity", flyApp(in), nil)
				if n > 0 {
					f.CutAt(n, when)
				}
				fail := r.do("deploy_to_flyio_activity", flyApp(with(in, map[string]any{"image": "ghcr.io/acme/shop:critical", "deploy_timeout": "100ms"})), nil)
				if fail == nil || fail.Type != "DeployFailed" {
					t.Fatalf("verdict %v", fail)
				}
				if m := f.Machines("shop"); len(m) != 1 || m[0].Image != "ghcr.io/acme/shop:v1" {
					t.Errorf("machines %+v, want the one with v1", m)
				}
				if f.Releases != 2 {
					t.Errorf("the release command ran %d times, want once per version", f.Releases)
				}
			})
		}
	}
}

func TestAReleaseCommandThatIsTakenOutIsNotRunAgain(t *testing.T) {
	wf, wr := newRailway(t)
	rf, rr := newRender(t)
	with := map[string]any{"release_command": "bin/migrate"}
	if _, _, fail := railwayDeployment(wr, with); fail != nil {
		t.Fatal(fail)
	}
	if _, _, fail := renderDeployment(rr, with); fail != nil {
		t.Fatal(fail)
	}
	v2 := map[string]any{"image": "ghcr.io/acme/shop:v2", "health_path": "/up"}
	wr.must("deploy_to_railway_activity", railwayApp(v2), nil)
	if got, _ := wf.Services()[0].Settings["preDeployCommand"].([]any); wf.Services()[0].Settings["preDeployCommand"] == nil || len(got) != 0 {
		t.Errorf("railway still runs %v", wf.Services()[0].Settings["preDeployCommand"])
	}
	rr.must("deploy_to_render_activity", renderApp(v2), nil)
	if got := rf.Services()[0].Details["preDeployCommand"]; got != "" {
		t.Errorf("render still runs %v", got)
	}
}
