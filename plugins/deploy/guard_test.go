package deploy

import (
	"fmt"
	"testing"

	"github.com/orch-host/orch/sdk/sdktest"
)

func TestAttemptsSideBySideMakeOneProject(t *testing.T) {
	for n := range 10 {
		f, r := newRailway(t)
		var all []*sdktest.Attempt
		for range 4 { // attempts of one run, of which the host has given up all but the last
			all = append(all, begin(r, "create_railway_project_activity", "railway-deploy_1", "run-a", railwayApp(nil)))
		}
		for _, a := range all {
			if o := a.Wait(); o.Failure != nil {
				t.Errorf("%v", o.Failure)
			}
		}
		if s := f.Services(); len(s) != 1 || s[0].Name != "shop" {
			t.Fatalf("round %d: %+v, want one project with one service", n, s)
		}
	}
}

func TestTwoAppsOfOneProjectShareIt(t *testing.T) {
	for range 10 {
		f, r := newRailway(t)
		var all []*sdktest.Attempt
		for i := range 4 {
			in := railwayApp(map[string]any{"app_name": fmt.Sprintf("part-%d", i), "project_name": "shop"})
			all = append(all, begin(r, "create_railway_project_activity", fmt.Sprintf("w-%d", i), fmt.Sprintf("run-%d", i), in))
		}
		for _, a := range all {
			if o := a.Wait(); o.Failure != nil {
				t.Errorf("%v", o.Failure)
			}
		}
		if n := f.Count("projectCreate"); n != 1 || len(f.Services()) != 4 {
			t.Errorf("%d projects were created, services %+v", n, f.Services())
		}
	}
}

func TestAttemptsSideBySideAssignEachAddressOnce(t *testing.T) {
	for range 10 {
		f, r := newFly(t)
		f.AddApp("shop")
		var all []*sdktest.Attempt
		for range 4 {
			all = append(all, begin(r, "create_flyio_app_activity", "flyio-deploy_1", "run-a", flyApp(nil)))
		}
		for _, a := range all {
			if o := a.Wait(); o.Failure != nil {
				t.Errorf("%v", o.Failure)
			}
		}
		if n := f.IPs("shop"); n != 2 {
			t.Fatalf("%d addresses, want a v6 and a v4", n)
		}
	}
}
