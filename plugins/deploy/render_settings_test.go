package deploy

import (
	"strings"
	"testing"

	"github.com/orch-host/orch/plugins/deploy/deploytest"
)

func TestSettingsThatRenderTakesOnlyOnceAreToldOrSet(t *testing.T) {
	f, r := newRender(t)
	r.must("deploy_to_render_activity", renderApp(map[string]any{"shutdown_seconds": 30}), nil)
	in := renderApp(map[string]any{"instances": 3, "region": "oregon", "shutdown_seconds": 60})
	for i, changed := range []bool{true, false} {
		var res Result
		r.must("deploy_to_render_activity", in, &res)
		if got := f.Services()[0].Details["maxShutdownDelaySeconds"]; got != float64(60) || res.Changed != changed || f.Deployed != 1 {
			t.Errorf("run %d: delay %v, %d deploys, %+v", i, got, f.Deployed, res)
		}
		if text := strings.Join(res.Warnings, "\n"); !strings.Contains(text, "instances") || !strings.Contains(text, "frankfurt") {
			t.Errorf("run %d: warnings %q, want one about the instances and one about the region", i, res.Warnings)
		}
	}
}

func TestRenderDeploysTheBranchsNewestCommitOnceInEveryRun(t *testing.T) {
	in := renderApp(map[string]any{"image": "", "repo_url": "https://github.com/acme/shop", "branch": "main"})
	for n := 1; n <= 9; n++ {
		for _, when := range []deploytest.When{deploytest.BeforeWork, deploytest.AfterWork} {
			f, r := newRender(t)
			r.must("deploy_to_render_activity", in, nil)
			f.CutAt(n, when) // the attempt that follows goes on with the deploy of its own run
			var res Result
			r.must("deploy_to_render_activity", in, &res)
			if !res.Changed || f.Deployed != 2 || r.crashes != 1 {
				t.Errorf("call %d, after work %v: %d crashes, %d deploys, %+v", n, when == deploytest.AfterWork, r.crashes, f.Deployed, res)
			}
		}
	}
}
