package deploy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/orch-host/orch/plugins/deploy/deploytest"
)

const (
	opFlyCreateApp     = "POST /apps"
	opFlyIP            = "POST /apps/{app_name}/ip_assignments"
	opFlySecrets       = "POST /apps/{app_name}/secrets"
	opFlyCreateMachine = "POST /apps/{app_name}/machines"
	opFlyUpdate        = "POST /apps/{app_name}/machines/{machine_id}"
	opFlyDestroy       = "DELETE /apps/{app_name}/machines/{machine_id}"
	opFlyLease         = "POST /apps/{app_name}/machines/{machine_id}/lease"
	opFlyCordon        = "POST /apps/{app_name}/machines/{machine_id}/cordon"
	opFlyUncordon      = "POST /apps/{app_name}/machines/{machine_id}/uncordon"
)

func flyConfig(f *deploytest.Fly) map[string]any {
	return map[string]any{"fly": map[string]any{"token": canaryToken, "api_url": f.URL, "org": "acme"}}
}

func flyApp(more map[string]any) map[string]any {
	return with(map[string]any{"service_name": "flyio-deploy", "app_name": "shop", "image": "ghcr.io/acme/shop:v1", "region": "fra",
		"secret_refs": []string{"DATABASE_URL"}, "env": map[string]string{"MODE": "production"}, "health_path": "/healthz"}, more)
}

func newFly(t *testing.T) (*deploytest.Fly, *run) {
	t.Helper()
	f := deploytest.NewFly(t, findSpecs(t), canaryToken)
	f.Leak = canarySecret
	return f, newRun(t, flyConfig(f), f)
}

// flyDeployment is what FlyioDeploymentWorkflow does, twice: a first deployment and a second version.
func flyDeployment(r *run, more map[string]any) (first, second Result, f *failure) {
	v1, v2 := flyApp(more), flyApp(with(more, map[string]any{"image": "ghcr.io/acme/shop:v2"}))
	for i, p := range []map[string]any{v1, v2} {
		if f = r.do("create_flyio_app_activity", p, nil); f != nil {
			return first, second, f
		}
		if f = r.do("set_flyio_secrets_activity", p, nil); f != nil {
			return first, second, f
		}
		if f = r.do("deploy_to_flyio_activity", p, []*Result{&first, &second}[i]); f != nil {
			return first, second, f
		}
	}
	return first, second, nil
}

// oneFlyApp is the state after flyDeployment, however it got there.
func oneFlyApp(t *testing.T, f *deploytest.Fly, image string) {
	t.Helper()
	if apps := f.Apps(); len(apps) != 1 || apps[0] != "shop" {
		t.Errorf("apps: %v, want one", apps)
	}
	if n := f.IPs("shop"); n != 2 {
		t.Errorf("%d addresses, want a v6 and a v4", n)
	}
	if v := f.Secret("shop", "DATABASE_URL"); v != canarySecret {
		t.Errorf("the app's secret is %q", v)
	}
	machines := f.Machines("shop")
	if len(machines) != 1 {
		t.Fatalf("machines: %+v, want one", machines)
	}
	// The lease of an attempt that died is nobody's to give back: it expires.
	for end := time.Now().Add(5 * time.Second); machines[0].Leased && time.Now().Before(end); machines = f.Machines("shop") {
		time.Sleep(5 * time.Millisecond)
	}
	m := machines[0]
	if m.Image != image || m.State != "started" || m.Cordoned || m.Leased {
		t.Errorf("machine %+v, want one started, reachable and free with %s", m, image)
	}
	if m.Meta["fly_process_group"] != "app" || m.Meta["fly_platform_version"] != "v2" {
		t.Errorf("metadata %v would hide the machine from flyctl", m.Meta)
	}
}

func TestFlyDeploysAnAppAndThenItsNextVersion(t *testing.T) {
	for _, strategy := range []string{"rolling", "bluegreen"} {
		t.Run(strategy, func(t *testing.T) {
			f, r := newFly(t)
			first, second, fail := flyDeployment(r, map[string]any{"strategy": strategy, "release_command": "bin/migrate --all"})
			if fail != nil {
				t.Fatal(fail)
			}
			oneFlyApp(t, f, "ghcr.io/acme/shop:v2")
			if first.DeploymentURL != "https://shop.fly.dev" || !first.Changed || first.PreviousImage != "" {
				t.Errorf("first: %+v", first)
			}
			if !second.Changed || second.PreviousImage != "ghcr.io/acme/shop:v1" || second.DeploymentID == first.DeploymentID {
				t.Errorf("second: %+v", second)
			}
			if f.Releases != 2 {
				t.Errorf("the release command ran %d times, want once per version", f.Releases)
			}
			wantCreated := map[string]int{"rolling": 1, "bluegreen": 2}[strategy]
			if f.Created != wantCreated {
				t.Errorf("%d machines were created, want %d", f.Created, wantCreated)
			}
		})
	}
}

func TestFlyLeavesAnAppAloneThatIsAsWanted(t *testing.T) {
	f, r := newFly(t)
	if _, _, fail := flyDeployment(r, nil); fail != nil {
		t.Fatal(fail)
	}
	created, updated := f.Created, f.Updated
	var res Result
	for _, a := range []string{"create_flyio_app_activity", "set_flyio_secrets_activity", "deploy_to_flyio_activity"} {
		r.must(a, flyApp(map[string]any{"image": "ghcr.io/acme/shop:v2"}), &res)
		if res.Changed {
			t.Errorf("%s reports a change: %+v", a, res)
		}
	}
	if f.Created != created || f.Updated != updated {
		t.Error("a machine was touched")
	}
	if res.PreviousImage != "ghcr.io/acme/shop:v1" {
		t.Errorf("the image before is %q: a rollback would not know where to go", res.PreviousImage)
	}
}

func TestFlySurvivesEveryFaultOfEveryMutation(t *testing.T) {
	ops := map[string][]string{
		"rolling":   {opFlyCreateApp, opFlyIP, opFlySecrets, opFlyCreateMachine, opFlyUpdate, opFlyLease, opFlyDestroy},
		"bluegreen": {opFlyCreateMachine, opFlyUncordon, opFlyCordon, opFlyDestroy, opFlyLease},
	}
	faults := map[string]deploytest.Fault{
		"reset before the work":         {Drop: true},
		"reset after the work":          {Drop: true, Work: true},
		"500":                           {Status: 500, Body: `{"error":"boom ` + canarySecret + `"}`},
		"500 after the work":            {Status: 500, Work: true, Body: `{"error":"boom"}`},
		"502 page after the work":       {Status: 502, Work: true, Body: `<html>bad gateway ` + canaryToken},
		"429 with Retry-After":          {Status: 429, Header: map[string][]string{"Retry-After": {"7"}}, Body: `{"error":"rate limit"}`},
		"200 with half a body":          {Status: 200, Work: true, Body: `{"id":"m00`},
		"408":                           {Status: 408, Body: `{"error":"timeout"}`},
		"409 as for a concurrent write": {Status: 409, Body: `{"error":"conflict"}`},
	}
	for strategy, list := range ops {
		for _, op := range list {
			for name, fault := range faults {
				for nth := 1; nth <= 2; nth++ {
					t.Run(fmt.Sprintf("%s/%s/%s/%d", strategy, op, name, nth), func(t *testing.T) {
						matrix(t)
						f, r := newFly(t)
						fault := fault
						fault.Op, fault.Nth = op, nth
						f.Script(&fault)
						_, second, fail := flyDeployment(r, map[string]any{"strategy": strategy, "release_command": "bin/migrate"})
						if fail != nil {
							t.Fatalf("verdict %v after %v", fail, f.Log())
						}
						oneFlyApp(t, f, "ghcr.io/acme/shop:v2")
						if second.PreviousImage != "ghcr.io/acme/shop:v1" || !second.Changed {
							t.Errorf("second: %+v", second)
						}
						if f.Releases != 2 {
							t.Errorf("the release command ran %d times, want once per version", f.Releases)
						}
					})
				}
			}
		}
	}
}

func TestFlyDeploysOnceWhereverThePluginDies(t *testing.T) {
	for _, strategy := range []string{"rolling", "bluegreen"} {
		more := map[string]any{"strategy": strategy, "release_command": "bin/migrate"}
		f, r := newFly(t)
		if _, _, fail := flyDeployment(r, more); fail != nil {
			t.Fatal(fail)
		}
		calls := f.Calls()
		for n := 1; n <= calls; n++ {
			for _, when := range []deploytest.When{deploytest.BeforeWork, deploytest.AfterWork} {
				for _, amnesia := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/call %d/after work %v/heartbeats lost %v", strategy, n, when == deploytest.AfterWork, amnesia), func(t *testing.T) {
						matrix(t)
						f, r := newFly(t)
						r.amnes = amnesia
						f.CutAt(n, when)
						first, second, fail := flyDeployment(r, more)
						if fail != nil {
							t.Fatalf("verdict %v after %v", fail, f.Log())
						}
						if r.crashes != 1 {
							t.Fatalf("the plugin died %d times", r.crashes)
						}
						oneFlyApp(t, f, "ghcr.io/acme/shop:v2")
						if f.Releases != 2 {
							t.Errorf("the release command ran %d times, want once per version: %v", f.Releases, f.Log())
						}
						if f.Created > map[string]int{"rolling": 1, "bluegreen": 2}[strategy] {
							t.Errorf("%d machines were created", f.Created)
						}
						if !first.Changed || !second.Changed || second.PreviousImage != "ghcr.io/acme/shop:v1" {
							t.Errorf("results: %+v, %+v", first, second)
						}
					})
				}
			}
		}
	}
}

func TestFlyVerdicts(t *testing.T) {
	cases := map[string]struct {
		prepare func(f *deploytest.Fly)
		input   map[string]any
		typ     string
		final   bool
		text    string
	}{
		"a token that is refused": {
			prepare: func(f *deploytest.Fly) {
				f.Script(&deploytest.Fault{Op: "GET /apps/{app_name}", Status: 401, Body: `{"error":"unauthorized"}`})
			},
			typ: "AuthError", final: true, text: "check the fly token",
		},
		"a name of another organisation": {
			prepare: func(f *deploytest.Fly) { f.Taken = map[string]bool{"shop": true} },
			typ:     "NameTaken", final: true, text: "choose another app_name",
		},
		"an app of another organisation of ours": {
			prepare: func(f *deploytest.Fly) { f.AddApp("shop"); f.Org = "other" },
			typ:     "NameTaken", final: true, text: "belongs to organisation other",
		},
		"a name that is taken between look and creation": {
			prepare: func(f *deploytest.Fly) {
				f.Script(&deploytest.Fault{Op: "GET /apps/{app_name}", Status: 404, Body: `{"error":"not found"}`})
				f.Taken = map[string]bool{"shop": true}
			},
			typ: "NameTaken", final: true,
		},
		"an account that must pay": {
			prepare: func(f *deploytest.Fly) {
				f.Script(&deploytest.Fault{Op: opFlyCreateApp, Status: 402, Body: `{"error":"add a card"}`})
			},
			typ: "BillingError", final: true,
		},
		"a machine that cannot be launched": {
			prepare: func(f *deploytest.Fly) {
				f.Image = func(string) deploytest.FlyFate { return deploytest.FlyLaunchFailed }
			},
			typ: "DeployFailed", final: true, text: "event launch failed",
		},
		"a process that ends at once": {
			prepare: func(f *deploytest.Fly) { f.Image = func(string) deploytest.FlyFate { return deploytest.FlyExits } },
			typ:     "DeployFailed", final: true, text: "code 1",
		},
		"a release command that fails": {
			prepare: func(f *deploytest.Fly) { f.Image = func(string) deploytest.FlyFate { return deploytest.FlyExits } },
			input:   map[string]any{"release_command": "bin/migrate"},
			typ:     "DeployFailed", final: true, text: "no live machine was touched",
		},
		"checks that never pass": {
			input: map[string]any{"image": "ghcr.io/acme/shop:critical", "deploy_timeout": "200ms"},
			typ:   "DeployFailed", final: true, text: "check servicecheck-00-http-8080 is critical: connect: connection refused ***",
		},
		"a machine that never starts": {
			prepare: func(f *deploytest.Fly) { f.StartAfter = 1 << 30 },
			input:   map[string]any{"deploy_timeout": "100ms"},
			typ:     "DeployFailed", final: true, text: "it does not start",
		},
		"a region without room": {
			prepare: func(f *deploytest.Fly) { f.NoRoom = map[string]bool{"fra": true} },
			typ:     "InsufficientCapacity", final: true,
		},
		"a server that is down for good": {
			prepare: func(f *deploytest.Fly) {
				for n := 1; n < 10; n++ {
					f.Script(&deploytest.Fault{Op: "GET /apps/{app_name}", Nth: n, Status: 503, Header: map[string][]string{"Retry-After": {"11"}}})
				}
			},
			typ: "ServerError", final: false,
		},
		"an image that is missing":  {input: map[string]any{"image": ""}, typ: "InvalidRequest", final: true, text: "image is missing"},
		"a secret without a value":  {input: map[string]any{"secret_refs": []string{"NOPE"}}, typ: "InvalidRequest", final: true, text: `NOPE = "env:NOPE"`},
		"a value in place of names": {input: map[string]any{"secret_refs": []string{"postgres://u:p@h/db"}}, typ: "InvalidRequest", final: true, text: "never a value"},
		"an app name with capitals": {input: map[string]any{"app_name": "Shop"}, typ: "InvalidRequest", final: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f, r := newFly(t)
			if c.prepare != nil {
				c.prepare(f)
			}
			_, _, fail := flyDeployment(r, c.input)
			if fail == nil || fail.Type != c.typ || fail.Final != c.final || !strings.Contains(fail.Message, c.text) {
				t.Fatalf("verdict %+v, want %s (final %v) with %q", fail, c.typ, c.final, c.text)
			}
			if strings.Contains(fail.Message, "postgres://") {
				t.Error("the value that stood in place of a name is repeated")
			}
		})
	}
}

func TestFlyBlueGreenKeepsTheOldVersionWhenTheNewOneFails(t *testing.T) {
	f, r := newFly(t)
	blueGreen := map[string]any{"strategy": "bluegreen"}
	r.must("create_flyio_app_activity", flyApp(blueGreen), nil)
	r.must("set_flyio_secrets_activity", flyApp(blueGreen), nil)
	r.must("deploy_to_flyio_activity", flyApp(blueGreen), nil)
	f.Image = func(image string) deploytest.FlyFate {
		if strings.HasSuffix(image, "v2") {
			return deploytest.FlyExits
		}
		return deploytest.FlyWell
	}
	fail := r.do("deploy_to_flyio_activity", flyApp(with(blueGreen, map[string]any{"image": "ghcr.io/acme/shop:v2"})), nil)
	if fail == nil || fail.Type != "DeployFailed" {
		t.Fatalf("verdict %v", fail)
	}
	oneFlyApp(t, f, "ghcr.io/acme/shop:v1")
	if len(f.Cordoned) != 0 {
		t.Error("the old machine was taken out of the load balancer")
	}
}

func TestFlyTriesTheNextRegionWhenOneHasNoRoom(t *testing.T) {
	f, r := newFly(t)
	f.NoRoom = map[string]bool{"fra": true}
	r.must("create_flyio_app_activity", flyApp(nil), nil)
	var res Result
	r.must("deploy_to_flyio_activity", flyApp(map[string]any{"fallback_regions": []string{"ams"}}), &res)
	if len(res.Warnings) != 1 || len(f.Machines("shop")) != 1 {
		t.Errorf("%+v", res)
	}
}

func TestFlyRefusesToDeployWhileAnotherDeploymentHoldsTheLease(t *testing.T) {
	f, r := newFly(t)
	r.must("create_flyio_app_activity", flyApp(nil), nil)
	r.must("deploy_to_flyio_activity", flyApp(nil), nil)
	f.HoldLease("shop", "orch orch-1234 run other", time.Hour)
	fail := r.do("deploy_to_flyio_activity", flyApp(map[string]any{"image": "ghcr.io/acme/shop:v2"}), nil)
	if fail == nil || fail.Type != "Conflict" || fail.Final || fail.RetryAfter < 5*time.Second || !strings.Contains(fail.Message, "orch-1234") {
		t.Fatalf("verdict %+v, want a Conflict that names the other deployment and says when to come back", fail)
	}
	if m := f.Machines("shop"); m[0].Image != "ghcr.io/acme/shop:v1" {
		t.Error("the machine was changed under somebody else's lease")
	}
}

func TestFlyKeepsVolumesAndForeignMetadataOnUpdate(t *testing.T) {
	f, r := newFly(t)
	f.AddApp("shop")
	f.AddMachine("shop", "shop-1", map[string]any{"image": "old", "env": map[string]any{"GONE": "1"}, "mounts": []any{map[string]any{"volume": "vol_1", "path": "/data"}},
		"metadata": map[string]any{"fly_process_group": "app", "team": "blue"}})
	f.AddMachine("shop", "cron", map[string]any{"image": "cron", "metadata": map[string]any{"fly_process_group": "cron"}})
	fail := r.do("deploy_to_flyio_activity", flyApp(map[string]any{"strategy": "bluegreen"}), nil)
	if fail == nil || fail.Type != "InvalidRequest" || !strings.Contains(fail.Message, "volume") {
		t.Fatalf("bluegreen with a volume: %v", fail)
	}
	var res Result
	r.must("deploy_to_flyio_activity", flyApp(nil), &res)
	if res.PreviousImage != "old" {
		t.Errorf("previous image %q", res.PreviousImage)
	}
	for _, m := range f.Machines("shop") {
		switch m.Name {
		case "cron":
			if m.Image != "cron" {
				t.Error("a machine of another process group was changed")
			}
		case "shop-1":
			env := m.Config["env"].(map[string]any)
			if m.Config["mounts"] == nil || m.Meta["team"] != "blue" || env["GONE"] != nil || env["MODE"] != "production" {
				t.Errorf("config %v", m.Config)
			}
		}
	}
}

func TestFlyRedeploysWhenOnlyASecretChanged(t *testing.T) {
	f, r := newFly(t)
	if _, _, fail := flyDeployment(r, nil); fail != nil {
		t.Fatal(fail)
	}
	updated := f.Updated
	v2 := flyApp(map[string]any{"image": "ghcr.io/acme/shop:v2", "secret_refs": []string{"DATABASE_URL", "REPLICA_URL=DATABASE_URL"}})
	var res Result
	r.must("set_flyio_secrets_activity", v2, &res)
	if !res.Changed || res.SecretsVersion == 0 {
		t.Errorf("secrets: %+v", res)
	}
	r.must("deploy_to_flyio_activity", v2, &res)
	if !res.Changed || f.Updated != updated+1 {
		t.Errorf("deploy: %+v after %d updates", res, f.Updated-updated)
	}
}

func TestFlyDryRunChangesNothing(t *testing.T) {
	f, r := newFly(t)
	dry := map[string]any{"dry_run": true}
	for _, a := range []string{"create_flyio_app_activity", "set_flyio_secrets_activity", "deploy_to_flyio_activity"} {
		var res Result
		r.must(a, flyApp(dry), &res)
		if res.Changed || !res.DryRun || len(res.Plan) == 0 {
			t.Errorf("%s on nothing: %+v", a, res)
		}
	}
	if _, _, fail := flyDeployment(r, nil); fail != nil {
		t.Fatal(fail)
	}
	before := len(mutations(f.Log()))
	var res Result
	r.must("deploy_to_flyio_activity", flyApp(map[string]any{"dry_run": true, "image": "ghcr.io/acme/shop:v3", "release_command": "x"}), &res)
	if len(res.Plan) != 2 || !strings.Contains(res.Plan[1], "from ghcr.io/acme/shop:v2 to ghcr.io/acme/shop:v3") {
		t.Errorf("plan %q", res.Plan)
	}
	r.must("deploy_to_flyio_activity", flyApp(map[string]any{"dry_run": true, "image": "ghcr.io/acme/shop:v2"}), &res)
	if len(res.Plan) != 0 {
		t.Errorf("plan for what is there: %q", res.Plan)
	}
	r.must("rollback_flyio_activity", flyApp(map[string]any{"dry_run": true, "previous_image": "ghcr.io/acme/shop:v1"}), &res)
	if len(res.Plan) != 1 {
		t.Errorf("rollback plan %q", res.Plan)
	}
	if after := mutations(f.Log()); len(after) != before {
		t.Errorf("a dry run sent %v", after[before:])
	}
}

func mutations(log []string) []string {
	var out []string
	for _, op := range log {
		if !strings.HasPrefix(op, "GET ") {
			out = append(out, op)
		}
	}
	return out
}
