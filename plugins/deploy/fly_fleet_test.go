package deploy

import (
	"testing"
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
