package deploy

import (
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
