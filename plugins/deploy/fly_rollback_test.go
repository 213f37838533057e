package deploy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/orch-host/orch/plugins/deploy/deploytest"
)

func TestFlyRollsBackOnceWhereverThePluginDies(t *testing.T) {
	deployed := func(t *testing.T) (*deploytest.Fly, *run, map[string]any) {
		f, r := newFly(t)
		_, second, fail := flyDeployment(r, nil)
		if fail != nil {
			t.Fatal(fail)
		}
		return f, r, flyApp(map[string]any{"image": "ghcr.io/acme/shop:v2", "previous_image": second.PreviousImage})
	}
	f, r, in := deployed(t)
	start := f.Calls()
	r.must("rollback_flyio_activity", in, nil)
	calls := f.Calls() - start
	for n := 1; n <= calls; n++ {
		for _, when := range []deploytest.When{deploytest.BeforeWork, deploytest.AfterWork} {
			t.Run(fmt.Sprintf("call %d/after work %v", n, when == deploytest.AfterWork), func(t *testing.T) {
				matrix(t)
				f, r, in := deployed(t)
				updated := f.Updated
				f.CutAt(n, when)
				var res Result
				r.must("rollback_flyio_activity", in, &res)
				oneFlyApp(t, f, "ghcr.io/acme/shop:v1")
				if f.Updated != updated+1 || !res.Changed || r.crashes != 1 {
					t.Errorf("%d updates, %d crashes, %+v", f.Updated-updated, r.crashes, res)
				}
				r.must("rollback_flyio_activity", in, &res)
				if res.Changed || f.Updated != updated+1 {
					t.Error("a second rollback changed something")
				}
			})
		}
	}
}

func TestARollbackOfAFirstDeploymentSaysThatThereIsNothingBefore(t *testing.T) {
	f, r := newFly(t)
	var res Result
	r.must("rollback_flyio_activity", flyApp(nil), &res)
	if res.Changed || len(res.Warnings) != 1 || f.Calls() != 0 {
		t.Errorf("%+v", res)
	}
}

func TestFlyRollingGoesBackWhenTheNewVersionDoesNotRun(t *testing.T) {
	prepare := func(t *testing.T) (*deploytest.Fly, *run) {
		f, r := newFly(t)
		two := flyApp(map[string]any{"instances": 2})
		r.must("create_flyio_app_activity", two, nil)
		r.must("deploy_to_flyio_activity", two, nil)
		f.Image = func(image string) deploytest.FlyFate {
			if strings.HasSuffix(image, "v2") {
				return deploytest.FlyExits
			}
			return deploytest.FlyWell
		}
		return f, r
	}
	next := flyApp(map[string]any{"instances": 2, "image": "ghcr.io/acme/shop:v2", "env": map[string]string{"MODE": "next"}})
	f, r := prepare(t)
	begin := f.Calls()
	fail := r.do("deploy_to_flyio_activity", next, nil)
	if fail == nil || fail.Type != "DeployFailed" || !strings.Contains(fail.Message, "run ghcr.io/acme/shop:v1 again") {
		t.Fatalf("verdict %v", fail)
	}
	for _, m := range f.Machines("shop") {
		if env := m.Config["env"].(map[string]any); m.Image != "ghcr.io/acme/shop:v1" || m.State != "started" || env["MODE"] != "production" {
			t.Errorf("machine %+v", m)
		}
	}
	calls := f.Calls() - begin
	for n := 1; n <= calls; n++ {
		for _, when := range []deploytest.When{deploytest.BeforeWork, deploytest.AfterWork} {
			t.Run(fmt.Sprintf("the plugin dies at call %d/after work %v", n, when == deploytest.AfterWork), func(t *testing.T) {
				matrix(t)
				f, r := prepare(t)
				f.CutAt(n, when)
				fail := r.do("deploy_to_flyio_activity", next, nil)
				if fail == nil || fail.Type != "DeployFailed" {
					t.Fatalf("verdict %v", fail)
				}
				machines := f.Machines("shop")
				for _, m := range machines {
					if m.Image != "ghcr.io/acme/shop:v1" || m.State != "started" {
						t.Errorf("machine %s is %s with %s", m.Name, m.State, m.Image)
					}
				}
				if len(machines) != 2 {
					t.Errorf("%d machines", len(machines))
				}
			})
		}
	}
	f, r = prepare(t)
	fail = r.do("deploy_to_flyio_activity", with(next, map[string]any{"rollback_on_failure": false}), nil)
	if fail == nil || f.Machines("shop")[0].Image != "ghcr.io/acme/shop:v2" {
		t.Errorf("verdict %v: it went back although that is switched off", fail)
	}
}

func TestFlyAdoptsAMachineThatTheListDoesNotShowYet(t *testing.T) {
	f, r := newFly(t)
	r.must("create_flyio_app_activity", flyApp(nil), nil)
	// The first attempt makes the machine and hears nothing; the second one reads a list from before.
	f.Script(&deploytest.Fault{Op: opFlyCreateMachine, Drop: true, Work: true})
	f.Script(&deploytest.Fault{Op: "GET /apps/{app_name}/machines", Nth: 2, Status: 200, Body: `[]`})
	var res Result
	r.must("deploy_to_flyio_activity", flyApp(map[string]any{"secret_refs": nil}), &res)
	if !f.Fired() || len(f.Machines("shop")) != 1 || f.Created != 1 || !res.Changed {
		t.Errorf("%d machines, %+v", len(f.Machines("shop")), res)
	}
	if r.attempts != 3 { // one for the app, two for the deployment: the refusal itself names the machine
		t.Errorf("%d attempts", r.attempts)
	}
	// A machine of that name with other content is not taken for ours.
	f.Script(&deploytest.Fault{Op: "GET /apps/{app_name}/machines", Nth: 3, Status: 200, Body: `[]`})
	fail := r.do("deploy_to_flyio_activity", flyApp(map[string]any{"secret_refs": nil, "image": "ghcr.io/acme/shop:v2"}), &res)
	if fail != nil || f.Machines("shop")[0].Image != "ghcr.io/acme/shop:v2" || len(f.Machines("shop")) != 1 {
		t.Errorf("verdict %v, machines %+v", fail, f.Machines("shop"))
	}
}
