package deploy

import (
	"testing"
	"time"

	"github.com/orch-host/orch/plugins/deploy/deploytest"
)

func TestAWaitThatIsThrottledSaysWhenToComeBack(t *testing.T) {
	f, r := newRender(t)
	for n := 1; n < 9; n++ {
		f.Script(&deploytest.Fault{Op: "GET /services/{serviceId}/deploys/{deployId}", Nth: n, Status: 429, Header: map[string][]string{"Retry-After": {"300"}}})
	}
	fail := r.do("deploy_to_render_activity", renderApp(map[string]any{"deploy_timeout": "1m"}), nil)
	if fail == nil || fail.Type != "StillDeploying" || fail.RetryAfter != 5*time.Minute {
		t.Errorf("verdict %+v, want one that may be tried again in 5 minutes", fail)
	}
}

func TestALeaseOfSomebodyElseIsAskedForOnce(t *testing.T) {
	f, r := newFly(t)
	r.must("create_flyio_app_activity", flyApp(nil), nil)
	r.must("deploy_to_flyio_activity", flyApp(nil), nil)
	f.HoldLease("shop", "orch orch-1234 run other", time.Hour)
	before := f.Count(opFlyLease)
	r.do("deploy_to_flyio_activity", flyApp(map[string]any{"image": "ghcr.io/acme/shop:v2"}), nil)
	if n := f.Count(opFlyLease) - before; n != 3 {
		t.Errorf("the lease was asked for %d times, want once in each of three attempts", n)
	}
}

func TestAFreshAppThatAnswers401IsFoundByTheNextAttempt(t *testing.T) {
	f, r := newFly(t)
	f.Script(&deploytest.Fault{Op: opFlyCreateApp, Drop: true, Work: true})
	f.Script(&deploytest.Fault{Op: "GET /apps/{app_name}", Nth: 2, Status: 401, Body: `{"error":"unauthorized"}`})
	var res Result
	r.must("create_flyio_app_activity", flyApp(nil), &res)
	if len(f.Apps()) != 1 || f.IPs("shop") != 2 || !f.Fired() {
		t.Errorf("apps %v, %+v", f.Apps(), res)
	}
}

func TestRailwaysWordsCountWhateverTheStatus(t *testing.T) {
	for text, want := range map[string]string{"Not Authorized": "AuthError", "Problem processing request": "ServerError", "Rate limit exceeded": "Throttled", "Bad image": "InvalidRequest"} {
		f, r := newRailway(t)
		for n := 1; n < 9; n++ {
			f.Script(&deploytest.Fault{Op: "workspaces", Nth: n, Status: 400, Body: `{"errors":[{"message":"` + text + `"}]}`})
		}
		if fail := r.do("create_railway_project_activity", railwayApp(nil), nil); fail == nil || fail.Type != want {
			t.Errorf("%s: %v, want %s", text, fail, want)
		}
	}
}

func TestAnAppThatWasMadeAnewWaitsForNoSecretsOfTheOldOne(t *testing.T) {
	f, r := newFly(t)
	r.must("create_flyio_app_activity", flyApp(nil), nil)
	r.must("set_flyio_secrets_activity", flyApp(nil), nil)
	f.AddApp("shop") // destroyed and made anew
	r.must("deploy_to_flyio_activity", flyApp(map[string]any{"secret_refs": nil}), nil)
}

func TestGitHubsSecondaryLimitIsNoMissingRight(t *testing.T) {
	f, r := newGitHub(t, "")
	for n := 1; n < 5; n++ {
		f.Script(&deploytest.Fault{Op: "GET /repos", Nth: n, Status: 403, Body: `{"message":"You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}`})
	}
	fail := r.do("push_to_github_activity", pushIn(nil), nil)
	if fail == nil || fail.Type != "Throttled" || fail.Final || fail.RetryAfter != time.Minute {
		t.Errorf("verdict %+v, want one that may be tried again in a minute", fail)
	}
}
