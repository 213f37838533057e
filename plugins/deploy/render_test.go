package deploy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orch-host/orch/plugins/deploy/deploytest"
)

const (
	opRenderCreate = "POST /services"
	opRenderDeploy = "POST /services/{serviceId}/deploys"
	opRenderEnv    = "PUT /services/{serviceId}/env-vars/{envVarKey}"
	opRenderPatch  = "PATCH /services/{serviceId}"
)

func renderApp(more map[string]any) map[string]any {
	return with(map[string]any{"service_name": "render-deploy", "app_name": "shop", "image": "ghcr.io/acme/shop:v1", "region": "frankfurt",
		"secret_refs": []string{"DATABASE_URL"}, "env": map[string]string{"MODE": "production"}, "health_path": "/healthz"}, more)
}

func newRender(t *testing.T) (*deploytest.Render, *run) {
	t.Helper()
	f := deploytest.NewRender(t, findSpecs(t), canaryToken)
	f.Leak = canarySecret
	return f, newRun(t, map[string]any{"render": map[string]any{"api_key": canaryToken, "api_url": f.URL}}, f)
}

// renderDeployment deploys a first version and then a second one, which also changes a setting.
func renderDeployment(r *run, more map[string]any) (first, second Result, f *failure) {
	for i, p := range []map[string]any{renderApp(more), renderApp(with(more, map[string]any{"image": "ghcr.io/acme/shop:v2", "health_path": "/up"}))} {
		if f = r.do("create_render_blueprint_activity", p, nil); f != nil {
			return first, second, f
		}
		if f = r.do("deploy_to_render_activity", p, []*Result{&first, &second}[i]); f != nil {
			return first, second, f
		}
	}
	return first, second, nil
}

func oneRenderService(t *testing.T, f *deploytest.Render, deploys ...string) {
	t.Helper()
	all := f.Services()
	if len(all) != 1 || all[0].Name != "shop" {
		t.Fatalf("services: %+v, want one", all)
	}
	if s := all[0]; s.Env["DATABASE_URL"] != canarySecret || s.Env["MODE"] != "production" || s.Env["PORT"] != "8080" {
		t.Errorf("variables %v", s.Env)
	}
	if diff := cmp.Diff(deploys, all[0].Deploys); diff != "" {
		t.Errorf("deploys (-want +got):\n%s", diff)
	}
}

var twoRenderVersions = []string{"deactivated ghcr.io/acme/shop:v1", "live ghcr.io/acme/shop:v2"}

func checkRenderResults(t *testing.T, first, second Result) {
	t.Helper()
	if !first.Changed || first.PreviousDeploymentID != "" || first.DeploymentURL != "https://shop-x1y2.onrender.com" {
		t.Errorf("first: %+v", first)
	}
	if !second.Changed || second.PreviousDeploymentID != first.DeploymentID || second.DeploymentURL != first.DeploymentURL || second.DeploymentID == first.DeploymentID {
		t.Errorf("second: %+v after %+v", second, first)
	}
}

func TestRenderDeploysAServiceAndThenItsNextVersion(t *testing.T) {
	for _, queue := range []bool{false, true} {
		t.Run(fmt.Sprintf("answers 202 without a body %v", queue), func(t *testing.T) {
			matrix(t)
			f, r := newRender(t)
			f.Queue, f.QueueLag = queue, 3
			f.AddService("shop-staging")
			first, second, fail := renderDeployment(r, map[string]any{"release_command": "bin/migrate", "instances": 2, "registry_credential": "ghcr"})
			if fail != nil {
				t.Fatal(fail)
			}
			checkRenderResults(t, first, second)
			deployed := f.Deployed
			var res Result
			r.must("deploy_to_render_activity", renderApp(map[string]any{"image": "ghcr.io/acme/shop:v2", "health_path": "/up", "release_command": "bin/migrate", "instances": 2, "registry_credential": "ghcr"}), &res)
			if res.Changed || res.DeploymentID != second.DeploymentID || f.Deployed != deployed {
				t.Errorf("what is there was deployed again: %+v", res)
			}
		})
	}
}

func TestRenderBuildsFromARepositoryWhenThereIsNoImage(t *testing.T) {
	f, r := newRender(t)
	var res Result
	in := renderApp(map[string]any{"image": "", "repo_url": "https://github.com/acme/shop", "branch": "main", "commit_sha": "0123456789abcdef"})
	r.must("deploy_to_render_activity", in, &res)
	r.must("deploy_to_render_activity", with(in, map[string]any{"commit_sha": "fedcba9876543210"}), &res)
	if s := f.Services()[0]; s.Repo != "https://github.com/acme/shop" || len(s.Deploys) != 2 || res.DeploymentURL == "" {
		t.Errorf("%+v, %+v", s, res)
	}
}

func TestRenderMovesAServiceToAnotherImageRepository(t *testing.T) {
	f, r := newRender(t)
	if _, _, fail := renderDeployment(r, nil); fail != nil {
		t.Fatal(fail)
	}
	var res Result
	r.must("deploy_to_render_activity", renderApp(map[string]any{"image": "docker.io/acme/store:v3"}), &res)
	if s := f.Services()[0]; s.Image != "docker.io/acme/store:v3" || !res.Changed {
		t.Errorf("%+v, %+v", s, res)
	}
}

func TestRenderSurvivesEveryFaultOfEveryMutation(t *testing.T) {
	faults := map[string]deploytest.Fault{
		"reset before the work": {Drop: true},
		"reset after the work":  {Drop: true, Work: true},
		"500":                   {Status: 500, Body: `{"message":"boom ` + canarySecret + `"}`},
		"500 after the work":    {Status: 500, Work: true},
		"503 after the work":    {Status: 503, Work: true},
		"429 with Retry-After":  {Status: 429, Header: map[string][]string{"Retry-After": {"3"}}},
		"half a body":           {Status: 201, Work: true, Body: `{"service":{"id`},
		"409 after the work":    {Status: 409, Work: true, Body: `{"message":"conflict"}`},
	}
	for _, op := range []string{opRenderCreate, opRenderDeploy, opRenderEnv, opRenderPatch, "POST /blueprints/validate"} {
		for name, fault := range faults {
			for nth := 1; nth <= 2; nth++ {
				for _, queue := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/%s/%d/202 %v", op, name, nth, queue), func(t *testing.T) {
						matrix(t)
						f, r := newRender(t)
						f.Queue = queue
						fault := fault
						fault.Op, fault.Nth = op, nth
						f.Script(&fault)
						first, second, fail := renderDeployment(r, nil)
						if fail != nil {
							t.Fatalf("verdict %v after %v", fail, f.Log())
						}
						oneRenderService(t, f, twoRenderVersions...)
						checkRenderResults(t, first, second)
					})
				}
			}
		}
	}
}

func TestRenderDeploysOnceWhereverThePluginDies(t *testing.T) {
	for _, queue := range []bool{false, true} {
		f, r := newRender(t)
		f.Queue = queue
		if _, _, fail := renderDeployment(r, nil); fail != nil {
			t.Fatal(fail)
		}
		calls := f.Calls()
		for n := 1; n <= calls; n++ {
			for _, when := range []deploytest.When{deploytest.BeforeWork, deploytest.AfterWork} {
				for _, amnesia := range []bool{false, true} {
					t.Run(fmt.Sprintf("202 %v/call %d/after work %v/heartbeats lost %v", queue, n, when == deploytest.AfterWork, amnesia), func(t *testing.T) {
						matrix(t)
						f, r := newRender(t)
						f.Queue, r.amnes = queue, amnesia
						f.CutAt(n, when)
						first, second, fail := renderDeployment(r, nil)
						if fail != nil || r.crashes != 1 {
							t.Fatalf("verdict %v, %d crashes, after %v", fail, r.crashes, f.Log())
						}
						oneRenderService(t, f, twoRenderVersions...)
						checkRenderResults(t, first, second)
					})
				}
			}
		}
	}
}

func TestRenderVerdicts(t *testing.T) {
	fate := func(status string) func(*deploytest.Render) {
		return func(f *deploytest.Render) { f.Fate = func(string) string { return status } }
	}
	cases := map[string]struct {
		prepare func(f *deploytest.Render)
		input   map[string]any
		typ     string
		final   bool
		text    string
	}{
		"a key that is refused": {prepare: func(f *deploytest.Render) {
			f.Script(&deploytest.Fault{Op: "GET /owners", Status: 401, Body: `{"message":"Unauthorized"}`})
		},
			typ: "AuthError", final: true, text: "check the render token"},
		"an account that must pay": {prepare: func(f *deploytest.Render) {
			f.Script(&deploytest.Fault{Op: opRenderCreate, Status: 402, Body: `{"message":"Payment information is required"}`})
		}, typ: "BillingError", final: true},
		"two workspaces":                     {prepare: func(f *deploytest.Render) { f.Owners = 2 }, typ: "Ambiguous", final: true, text: "set owner_id"},
		"a Blueprint that is refused":        {prepare: func(f *deploytest.Render) { f.Refuse = []string{"unknown plan"} }, typ: "InvalidRequest", final: true, text: "line 3:5 services[0]: unknown plan"},
		"a build that fails":                 {prepare: fate("build_failed"), typ: "DeployFailed", final: true, text: "connecting with ***"},
		"an update that fails":               {prepare: fate("update_failed"), typ: "DeployFailed", final: true},
		"a pre-deploy command that fails":    {prepare: fate("pre_deploy_failed"), typ: "DeployFailed", final: true},
		"a deploy that somebody cancels":     {prepare: fate("canceled"), typ: "DeployFailed", final: true},
		"a deploy that another one replaces": {prepare: fate("deactivated"), typ: "Superseded", final: true},
		"a deploy that takes too long":       {prepare: func(f *deploytest.Render) { f.LiveAfter = 1 << 30 }, input: map[string]any{"deploy_timeout": "60ms"}, typ: "StillDeploying"},
		"neither image nor repository":       {input: map[string]any{"image": ""}, typ: "InvalidRequest", final: true},
		"a credential that is not there":     {input: map[string]any{"registry_credential": "nope"}, typ: "NotFound", final: true},
		"a request that the provider refuses": {prepare: func(f *deploytest.Render) {
			f.Script(&deploytest.Fault{Op: opRenderCreate, Status: 400, Body: `{"message":"invalid image"}`})
		}, typ: "InvalidRequest", final: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f, r := newRender(t)
			if c.prepare != nil {
				c.prepare(f)
			}
			_, _, fail := renderDeployment(r, c.input)
			if fail == nil || fail.Type != c.typ || fail.Final != c.final || !strings.Contains(fail.Message, c.text) {
				t.Fatalf("verdict %+v, want %s (final %v) with %q", fail, c.typ, c.final, c.text)
			}
			if name == "a build that fails" && strings.Count(fail.Details, "line ") != 99 {
				t.Errorf("details %s, want the last 100 lines", fail.Details)
			}
		})
	}
}

func TestRenderAdoptsAServiceThatALostAnswerMade(t *testing.T) {
	for _, status := range []int{400, 409} {
		f, r := newRender(t)
		f.NameRefusal = status
		// The look finds nothing, as a list that lags behind does, and the creation is refused because the name exists.
		var res Result
		r.must("deploy_to_render_activity", renderApp(nil), &res)
		f.Script(&deploytest.Fault{Op: "GET /services", Nth: 2, Status: 200, Body: `[]`})
		r.must("deploy_to_render_activity", renderApp(map[string]any{"image": "ghcr.io/acme/shop:v2"}), &res)
		if !f.Fired() || len(f.Services()) != 1 || !res.Changed || res.DeploymentURL == "" {
			t.Errorf("%d: %+v", status, res)
		}
	}
}

func TestRenderDryRunChangesNothing(t *testing.T) {
	f, r := newRender(t)
	dry := renderApp(map[string]any{"dry_run": true})
	for _, a := range []string{"create_render_blueprint_activity", "deploy_to_render_activity"} {
		var res Result
		r.must(a, dry, &res)
		if res.Changed || len(res.Plan) == 0 {
			t.Errorf("%s: %+v", a, res)
		}
	}
	if len(f.Services()) != 0 {
		t.Error("something was made")
	}
	first, _, fail := renderDeployment(r, nil)
	if fail != nil {
		t.Fatal(fail)
	}
	before := f.Services()
	var res Result
	r.must("deploy_to_render_activity", with(dry, map[string]any{"image": "ghcr.io/acme/shop:v3", "env": map[string]string{"NEW": "1"}}), &res)
	if diff := cmp.Diff([]string{"add variable NEW", "deploy ghcr.io/acme/shop:v3 in place of ghcr.io/acme/shop:v2"}, res.Plan); diff != "" {
		t.Errorf("plan:\n%s", diff)
	}
	r.must("rollback_render_activity", with(dry, map[string]any{"previous_deployment_id": first.DeploymentID}), &res)
	if len(res.Plan) != 1 {
		t.Errorf("plan %q", res.Plan)
	}
	if diff := cmp.Diff(before, f.Services()); diff != "" {
		t.Errorf("a dry run changed something:\n%s", diff)
	}
}

func TestRenderBlueprintNamesThePageAndWarnsOfAnExistingOne(t *testing.T) {
	f, r := newRender(t)
	in := renderApp(map[string]any{"github_repo": "acme/shop"})
	var res Result
	r.must("create_render_blueprint_activity", in, &res)
	if res.DashboardURL != "https://dashboard.render.com/blueprint/new?repo=https%3A%2F%2Fgithub.com%2Facme%2Fshop" || !res.Changed || len(res.Plan) != 1 {
		t.Errorf("%+v", res)
	}
	f.Blueprint = "https://github.com/acme/shop.git"
	r.must("create_render_blueprint_activity", in, &res)
	if res.Changed || len(res.Warnings) != 1 || !strings.HasSuffix(res.DashboardURL, "/blueprint/exs-cph1rs3idesc73a2b2mg") {
		t.Errorf("%+v", res)
	}
	if res.DeploymentURL != "" {
		t.Error("a Blueprint is not a deployment")
	}
}

func TestRenderRollsBackOnceWhereverThePluginDies(t *testing.T) {
	deployed := func(t *testing.T) (*deploytest.Render, *run, map[string]any) {
		f, r := newRender(t)
		_, second, fail := renderDeployment(r, nil)
		if fail != nil {
			t.Fatal(fail)
		}
		return f, r, renderApp(map[string]any{"image": "ghcr.io/acme/shop:v2", "previous_deployment_id": second.PreviousDeploymentID})
	}
	f, r, in := deployed(t)
	begin := f.Calls()
	r.must("rollback_render_activity", in, nil)
	calls := f.Calls() - begin
	for n := 1; n <= calls; n++ {
		for _, when := range []deploytest.When{deploytest.BeforeWork, deploytest.AfterWork} {
			t.Run(fmt.Sprintf("call %d/after work %v", n, when == deploytest.AfterWork), func(t *testing.T) {
				matrix(t)
				f, r, in := deployed(t)
				f.CutAt(n, when)
				var res Result
				r.must("rollback_render_activity", in, &res)
				s := f.Services()[0]
				if s.Deploys[len(s.Deploys)-1] != "live ghcr.io/acme/shop:v1" || f.Rollbacks != 1 || !res.Changed || r.crashes != 1 {
					t.Errorf("%d rollbacks, %d crashes, deploys %v, %+v", f.Rollbacks, r.crashes, s.Deploys, res)
				}
				r.must("deploy_to_render_activity", in, &res)
				if !res.Changed {
					t.Errorf("after the rollback: %+v", res)
				}
			})
		}
	}
}
