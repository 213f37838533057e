package deploy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orch-host/orch/plugins/deploy/deploytest"
)

func railwayApp(more map[string]any) map[string]any {
	return with(map[string]any{"service_name": "railway-deploy", "app_name": "shop", "image": "ghcr.io/acme/shop:v1",
		"secret_refs": []string{"DATABASE_URL"}, "env": map[string]string{"MODE": "production"}, "health_path": "/healthz"}, more)
}

func newRailway(t *testing.T) (*deploytest.Railway, *run) {
	t.Helper()
	f := deploytest.NewRailway(t, findSpecs(t), canaryToken)
	f.Leak = canarySecret
	return f, newRun(t, map[string]any{"railway": map[string]any{"token": canaryToken, "api_url": f.URL}}, f)
}

// railwayDeployment is what RailwayDeploymentWorkflow does, twice: a first deployment and a second version.
func railwayDeployment(r *run, more map[string]any) (first, second Result, f *failure) {
	for i, p := range []map[string]any{railwayApp(more), railwayApp(with(more, map[string]any{"image": "ghcr.io/acme/shop:v2"}))} {
		if f = r.do("create_railway_project_activity", p, nil); f != nil {
			return first, second, f
		}
		if f = r.do("set_railway_env_vars_activity", p, nil); f != nil {
			return first, second, f
		}
		if f = r.do("deploy_to_railway_activity", p, []*Result{&first, &second}[i]); f != nil {
			return first, second, f
		}
	}
	return first, second, nil
}

// oneRailwayService is the state after railwayDeployment, however it got there.
func oneRailwayService(t *testing.T, f *deploytest.Railway, statuses ...string) {
	t.Helper()
	all := f.Services()
	if len(all) != 1 || all[0].Project != "shop" || all[0].Name != "shop" {
		t.Fatalf("services: %+v, want one in one project", all)
	}
	s := all[0]
	if len(s.Domains) != 1 || f.Domains != 1 {
		t.Errorf("domains %v, %d created", s.Domains, f.Domains)
	}
	if s.Vars["DATABASE_URL"] != canarySecret || s.Vars["MODE"] != "production" || s.Vars["PORT"] != "8080" {
		t.Errorf("variables %v", s.Vars)
	}
	var got []string
	for _, d := range s.Deployments {
		_, rest, _ := strings.Cut(d, " ")
		got = append(got, rest)
	}
	if diff := cmp.Diff(statuses, got); diff != "" {
		t.Errorf("deployments (-want +got):\n%s", diff)
	}
}

var twoVersions = []string{"REMOVED ghcr.io/acme/shop:v1", "SUCCESS ghcr.io/acme/shop:v2"}

func checkRailwayResults(t *testing.T, first, second Result) {
	t.Helper()
	if !first.Changed || first.PreviousDeploymentID != "" || first.DeploymentURL != "https://shop-1.up.railway.app" {
		t.Errorf("first: %+v", first)
	}
	if !second.Changed || second.PreviousDeploymentID != first.DeploymentID || second.DeploymentID == first.DeploymentID || second.DeploymentURL != first.DeploymentURL {
		t.Errorf("second: %+v after %+v", second, first)
	}
}

func TestRailwayDeploysAServiceAndThenItsNextVersion(t *testing.T) {
	for _, updateDeploys := range []bool{false, true} {
		t.Run(fmt.Sprintf("an update of the source deploys by itself %v", updateDeploys), func(t *testing.T) {
			matrix(t)
			f, r := newRailway(t)
			f.UpdateDeploys = updateDeploys
			for i := range 3 {
				f.AddProject(fmt.Sprintf("other-%d", i))
			}
			first, second, fail := railwayDeployment(r, map[string]any{"release_command": "bin/migrate --all", "project_name": "shop"})
			if fail != nil {
				t.Fatal(fail)
			}
			checkRailwayResults(t, first, second)
			if f.Deployed != 2 {
				t.Errorf("%d deployments were started", f.Deployed)
			}
			var res Result
			r.must("deploy_to_railway_activity", railwayApp(map[string]any{"image": "ghcr.io/acme/shop:v2", "release_command": "bin/migrate --all"}), &res)
			if res.Changed || res.DeploymentID != second.DeploymentID || res.PreviousDeploymentID != first.DeploymentID || f.Deployed != 2 {
				t.Errorf("what is there was deployed again: %+v", res)
			}
		})
	}
}

func TestRailwaySurvivesEveryFaultOfEveryMutation(t *testing.T) {
	ops := []string{"projectCreate", "serviceCreate", "variableCollectionUpsert", "serviceInstanceUpdate", "serviceInstanceDeployV2", "serviceDomainCreate"}
	faults := map[string]deploytest.Fault{
		"reset before the work":                  {Drop: true},
		"reset after the work":                   {Drop: true, Work: true},
		"500":                                    {Status: 500, Body: `oops ` + canarySecret},
		"500 after the work":                     {Status: 500, Work: true},
		"429 with Retry-After":                   {Status: 429, Header: map[string][]string{"Retry-After": {"9"}}, Body: `{"errors":[{"message":"Too Many Requests"}]}`},
		"200 with errors":                        {Status: 200, Body: `{"errors":[{"message":"Problem processing request"}],"data":null}`},
		"200 with errors after the work":         {Status: 200, Work: true, Body: `{"errors":[{"message":"Problem processing request"}],"data":null}`},
		"200 without data":                       {Status: 200, Body: `{}`},
		"200 with null data after the work":      {Status: 200, Work: true, Body: `{"data":null}`},
		"200 with half a body after the work":    {Status: 200, Work: true, Body: `{"data":{"x`},
		"200 with a rate limit among the errors": {Status: 200, Body: `{"errors":[{"message":"You are being rate limited","extensions":{"code":"RATE_LIMITED"}}]}`},
	}
	for _, op := range ops {
		for name, fault := range faults {
			for nth := 1; nth <= 3; nth++ {
				t.Run(fmt.Sprintf("%s/%s/%d", op, name, nth), func(t *testing.T) {
					matrix(t)
					f, r := newRailway(t)
					fault := fault
					fault.Op, fault.Nth = op, nth
					f.Script(&fault)
					first, second, fail := railwayDeployment(r, nil)
					if fail != nil {
						t.Fatalf("verdict %v after %v", fail, f.Log())
					}
					oneRailwayService(t, f, twoVersions...)
					checkRailwayResults(t, first, second)
				})
			}
		}
	}
}

func TestRailwayDeploysOnceWhereverThePluginDies(t *testing.T) {
	for _, updateDeploys := range []bool{false, true} {
		f, r := newRailway(t)
		f.UpdateDeploys = updateDeploys
		if _, _, fail := railwayDeployment(r, nil); fail != nil {
			t.Fatal(fail)
		}
		calls := f.Calls()
		for n := 1; n <= calls; n++ {
			for _, when := range []deploytest.When{deploytest.BeforeWork, deploytest.AfterWork} {
				for _, amnesia := range []bool{false, true} {
					t.Run(fmt.Sprintf("update deploys %v/call %d/after work %v/heartbeats lost %v", updateDeploys, n, when == deploytest.AfterWork, amnesia), func(t *testing.T) {
						matrix(t)
						f, r := newRailway(t)
						f.UpdateDeploys, r.amnes = updateDeploys, amnesia
						f.CutAt(n, when)
						first, second, fail := railwayDeployment(r, nil)
						if fail != nil || r.crashes != 1 {
							t.Fatalf("verdict %v, %d crashes, after %v", fail, r.crashes, f.Log())
						}
						oneRailwayService(t, f, twoVersions...)
						checkRailwayResults(t, first, second)
					})
				}
			}
		}
	}
}

func TestRailwayVerdicts(t *testing.T) {
	const deploy = "serviceInstanceDeployV2"
	refusal := func(op, text string) func(*deploytest.Railway) {
		return func(f *deploytest.Railway) {
			f.Script(&deploytest.Fault{Op: op, Status: 200, Body: `{"errors":[{"message":"` + text + `"}],"data":null}`})
		}
	}
	fate := func(status string) func(*deploytest.Railway) {
		return func(f *deploytest.Railway) { f.Fate = func(string) string { return status } }
	}
	cases := map[string]struct {
		prepare func(f *deploytest.Railway)
		input   map[string]any
		typ     string
		final   bool
		text    string
	}{
		"a token that is refused":             {prepare: refusal("projects", "Not Authorized"), typ: "AuthError", final: true, text: "check the railway token"},
		"a private image without the plan":    {prepare: refusal("serviceInstanceUpdate", "Private images require the Pro plan"), typ: "BillingError", final: true},
		"a request that is refused":           {prepare: refusal(deploy, "Invalid image"), typ: "InvalidRequest", final: true},
		"a build that fails":                  {prepare: fate("FAILED"), typ: "DeployFailed", final: true, text: "connecting with ***"},
		"an application that crashes":         {prepare: fate("CRASHED"), typ: "DeployFailed", final: true},
		"a deployment that is removed":        {prepare: fate("REMOVED"), typ: "Superseded", final: true},
		"a deployment that is skipped":        {prepare: fate("SKIPPED"), typ: "Superseded", final: true},
		"a deployment that needs an approval": {prepare: fate("NEEDS_APPROVAL"), typ: "DeployFailed", final: true, text: "approve it"},
		"a deployment that takes too long":    {prepare: func(f *deploytest.Railway) { f.LiveAfter = 1 << 30 }, input: map[string]any{"deploy_timeout": "60ms"}, typ: "StillDeploying"},
		"two projects of the name": {prepare: func(f *deploytest.Railway) { f.AddProject("shop"); f.AddProject("shop") },
			typ: "Ambiguous", final: true, text: "2 projects named shop"},
		"an environment that is not there": {prepare: func(f *deploytest.Railway) { f.AddProject("shop") }, input: map[string]any{"environment": "staging"}, typ: "InvalidRequest", final: true},
		"a reference in a value":           {input: map[string]any{"env": map[string]string{"X": "${{Postgres.DATABASE_URL}}"}}, typ: "InvalidRequest", final: true, text: "allow_references"},
		"a token limit for an hour": {prepare: func(f *deploytest.Railway) {
			for n := 1; n < 9; n++ {
				f.Script(&deploytest.Fault{Op: "projects", Nth: n, Status: 429, Header: map[string][]string{"Retry-After": {"300"}}})
			}
		}, typ: "Throttled"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f, r := newRailway(t)
			if c.prepare != nil {
				c.prepare(f)
			}
			_, _, fail := railwayDeployment(r, c.input)
			if fail == nil || fail.Type != c.typ || fail.Final != c.final || !strings.Contains(fail.Message, c.text) {
				t.Fatalf("verdict %+v, want %s (final %v) with %q", fail, c.typ, c.final, c.text)
			}
			if c.typ == "Throttled" && fail.RetryAfter.Seconds() != 300 {
				t.Errorf("the next attempt may start after %s, want 300 s", fail.RetryAfter)
			}
			if name == "a build that fails" && strings.Count(fail.Details, "buildLogs ")+strings.Count(fail.Details, "deploymentLogs ") != 98 {
				t.Errorf("details hold %s, want the last 100 lines", fail.Details)
			}
		})
	}
}

func TestRailwayTriesAgainAfterADeploymentThatFailed(t *testing.T) {
	f, r := newRailway(t)
	bad := true
	f.Fate = func(string) string {
		if bad {
			return "FAILED"
		}
		return ""
	}
	if _, _, fail := railwayDeployment(r, nil); fail == nil || fail.Type != "DeployFailed" {
		t.Fatalf("verdict %v", fail)
	}
	bad = false
	var res Result
	r.must("deploy_to_railway_activity", railwayApp(nil), &res)
	if !res.Changed || f.Deployed != 2 {
		t.Errorf("a new run of the same deployment took the old failure for its own: %+v", res)
	}
}

func TestRailwayDeploysOverAnImageThatSomebodySetByHand(t *testing.T) {
	f, r := newRailway(t)
	if _, _, fail := railwayDeployment(r, nil); fail != nil {
		t.Fatal(fail)
	}
	f.DeployByHand("ghcr.io/acme/shop:v2") // the same image, but a deployment that nobody here made
	var res Result
	r.must("deploy_to_railway_activity", railwayApp(map[string]any{"image": "ghcr.io/acme/shop:v2"}), &res)
	if !res.Changed {
		t.Errorf("%+v", res)
	}
	f.DeployByHand("evil")
	r.must("deploy_to_railway_activity", railwayApp(map[string]any{"image": "ghcr.io/acme/shop:v2"}), &res)
	if !res.Changed || f.Services()[0].Image != "ghcr.io/acme/shop:v2" {
		t.Errorf("%+v", res)
	}
}

func TestRailwayRedeploysWhenOnlyAVariableChanged(t *testing.T) {
	f, r := newRailway(t)
	if _, _, fail := railwayDeployment(r, nil); fail != nil {
		t.Fatal(fail)
	}
	in := railwayApp(map[string]any{"image": "ghcr.io/acme/shop:v2", "env": map[string]string{"MODE": "debug"}})
	var res Result
	r.must("set_railway_env_vars_activity", in, &res)
	if diff := cmp.Diff([]string{"replace variable MODE"}, res.Plan); diff != "" || !res.Changed {
		t.Errorf("%+v", res)
	}
	r.must("deploy_to_railway_activity", in, &res)
	if !res.Changed || f.Deployed != 3 {
		t.Errorf("%d deployments, %+v", f.Deployed, res)
	}
	r.must("set_railway_env_vars_activity", in, &res)
	if res.Changed {
		t.Errorf("%+v", res)
	}
}

func TestRailwayDryRunChangesNothing(t *testing.T) {
	f, r := newRailway(t)
	dry := railwayApp(map[string]any{"dry_run": true, "previous_deployment_id": "x"})
	steps := []string{"create_railway_project_activity", "set_railway_env_vars_activity", "deploy_to_railway_activity"}
	for _, a := range steps {
		var res Result
		r.must(a, dry, &res)
		if res.Changed || len(res.Plan) == 0 {
			t.Errorf("%s: %+v", a, res)
		}
	}
	if len(f.Services()) != 0 {
		t.Error("something was made")
	}
	first, _, fail := railwayDeployment(r, nil)
	if fail != nil {
		t.Fatal(fail)
	}
	before := f.Services()
	var res Result
	r.must("deploy_to_railway_activity", with(dry, map[string]any{"image": "ghcr.io/acme/shop:v3"}), &res)
	if len(res.Plan) != 1 || !strings.Contains(res.Plan[0], "deploy ghcr.io/acme/shop:v3 in place of ghcr.io/acme/shop:v2") {
		t.Errorf("plan %q", res.Plan)
	}
	r.must("rollback_railway_activity", with(dry, map[string]any{"previous_deployment_id": first.DeploymentID}), &res)
	if len(res.Plan) != 1 {
		t.Errorf("plan %q", res.Plan)
	}
	if diff := cmp.Diff(before, f.Services()); diff != "" {
		t.Errorf("a dry run changed something:\n%s", diff)
	}
}

func TestRailwayRollsBackOnceWhereverThePluginDies(t *testing.T) {
	for _, reactivate := range []bool{false, true} {
		deployed := func(t *testing.T) (*deploytest.Railway, *run, map[string]any) {
			f, r := newRailway(t)
			f.Reactivate = reactivate
			_, second, fail := railwayDeployment(r, nil)
			if fail != nil {
				t.Fatal(fail)
			}
			return f, r, railwayApp(map[string]any{"image": "ghcr.io/acme/shop:v2", "previous_deployment_id": second.PreviousDeploymentID})
		}
		f, r, in := deployed(t)
		begin := f.Calls()
		r.must("rollback_railway_activity", in, nil)
		calls := f.Calls() - begin
		for n := 1; n <= calls; n++ {
			for _, when := range []deploytest.When{deploytest.BeforeWork, deploytest.AfterWork} {
				t.Run(fmt.Sprintf("reactivates %v/call %d/after work %v", reactivate, n, when == deploytest.AfterWork), func(t *testing.T) {
					matrix(t)
					f, r, in := deployed(t)
					f.CutAt(n, when)
					var res Result
					r.must("rollback_railway_activity", in, &res)
					all := f.Services()[0].Deployments
					if newest := all[len(all)-1]; !strings.HasSuffix(newest, "SUCCESS ghcr.io/acme/shop:v1") || f.Rollbacks != 1 {
						t.Errorf("%d rollbacks, deployments %v", f.Rollbacks, all)
					}
					if !res.Changed || res.DeploymentURL == "" || r.crashes != 1 {
						t.Errorf("%d crashes, %+v", r.crashes, res)
					}
					// The next deployment of the version that was rolled back is a deployment.
					r.must("deploy_to_railway_activity", in, &res)
					if !res.Changed || f.Deployed != 3 {
						t.Errorf("after the rollback: %+v", res)
					}
				})
			}
		}
	}
}
