package deploy

import (
	"strings"
	"testing"
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
