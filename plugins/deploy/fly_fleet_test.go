package deploy

import (
	"testing"

	"github.com/orch-host/orch/plugins/deploy/deploytest"
)

func TestFlyStartsAStoppedMachineBeforeItAddsMore(t *testing.T) {
	f, r := newFly(t)
	r.must("create_flyio_app_activity", flyApp(nil), nil)
	r.must("deploy_to_flyio_activity", flyApp(nil), nil)
	f.Edit("shop", "stopped")
	r.must("deploy_to_flyio_activity", flyApp(map[string]any{"instances": 2, "deploy_timeout": "2s"}), nil)
	machines := f.Machines("shop")
	for _, m := range machines {
		if m.State != "started" {
			t.Errorf("machine %+v", m)
		}
	}
	if len(machines) != 2 {
		t.Errorf("%d machines, want 2", len(machines))
	}
	// One that may be idle is left so.
	f.Edit("shop", "stopped")
	r.must("deploy_to_flyio_activity", flyApp(map[string]any{"instances": 2, "auto_stop": "stop"}), nil)
	f.Edit("shop", "stopped")
	r.must("deploy_to_flyio_activity", flyApp(map[string]any{"instances": 3, "auto_stop": "stop"}), nil)
	if n := f.Count("POST /apps/{app_name}/machines/{machine_id}/start"); n != 1 {
		t.Errorf("%d machines were started, want the one that must not be idle", n)
	}
}

func TestFlyDoesNotRebuildAGreenMachineThatCouldNotBeRemoved(t *testing.T) {
	f, r := newFly(t)
	in := map[string]any{"strategy": "bluegreen", "deploy_timeout": "200ms"}
	r.must("create_flyio_app_activity", flyApp(in), nil)
	r.must("deploy_to_flyio_activity", flyApp(in), nil)
	f.Script(&deploytest.Fault{Op: opFlyDestroy, Status: 500, Body: `{"error":"boom"}`})
	fail := r.do("deploy_to_flyio_activity", flyApp(with(in, map[string]any{"image": "ghcr.io/acme/shop:critical"})), nil)
	if fail == nil || fail.Type != "DeployFailed" || f.Updated != 0 {
		t.Errorf("%v after %d updates of machines that serve nobody", fail, f.Updated)
	}
	r.must("deploy_to_flyio_activity", flyApp(in), nil)
	if m := f.Machines("shop"); len(m) != 1 || m[0].Image != "ghcr.io/acme/shop:v1" {
		t.Errorf("machines %+v: the next deployment did not remove what was left", m)
	}
}

func TestFlyKeepsMachinesBeyondTheNumberWhateverTheStrategy(t *testing.T) {
	for _, strategy := range []string{"rolling", "bluegreen"} {
		t.Run(strategy, func(t *testing.T) {
			f, r := newFly(t)
			r.must("create_flyio_app_activity", flyApp(nil), nil)
			r.must("deploy_to_flyio_activity", flyApp(map[string]any{"instances": 3}), nil)
			for _, image := range []string{"ghcr.io/acme/shop:v2", "ghcr.io/acme/shop:v2"} {
				r.must("deploy_to_flyio_activity", flyApp(map[string]any{"strategy": strategy, "image": image}), nil)
				machines := f.Machines("shop")
				for _, m := range machines {
					if m.Image != image {
						t.Errorf("machine %+v", m)
					}
				}
				if len(machines) != 3 {
					t.Errorf("%d machines, want the 3 that there were", len(machines))
				}
			}
		})
	}
}
