package deploy

import (
	"strings"
	"testing"

	"github.com/orch-host/orch/plugins/deploy/deploytest"
)

func TestAProjectTokenDeploysToItsOwnEnvironment(t *testing.T) {
	f := deploytest.NewRailway(t, findSpecs(t), "another")
	f.AddService("shop", "shop")
	f.Scope("shop", canaryToken, "staging")
	r := newRun(t, map[string]any{"railway": map[string]any{"project_token": canaryToken, "api_url": f.URL}}, f)
	for _, in := range []map[string]any{railwayApp(nil), railwayApp(map[string]any{"environment": "staging"})} {
		var res Result
		for _, a := range []string{"create_railway_project_activity", "set_railway_env_vars_activity", "deploy_to_railway_activity"} {
			r.must(a, in, &res)
			if !strings.HasSuffix(res.EnvironmentID, "-staging") {
				t.Errorf("%s: %+v", a, res)
			}
		}
	}
	fail := r.do("set_railway_env_vars_activity", railwayApp(map[string]any{"environment": "production"}), nil)
	if fail == nil || !fail.Final || !strings.Contains(fail.Message, "staging") {
		t.Errorf("%v, want one that names the token's environment", fail)
	}
}
