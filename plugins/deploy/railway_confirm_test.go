package deploy

import (
	"testing"

	"github.com/orch-host/orch/plugins/deploy/deploytest"
)

func TestAnUpdateThatRailwayDoesNotConfirmIsNotDeployed(t *testing.T) {
	for _, op := range []string{"serviceInstanceUpdate", "variableCollectionUpsert"} {
		f, r := newRailway(t)
		r.must("create_railway_project_activity", railwayApp(nil), nil)
		for n := 1; n < 9; n++ {
			f.Script(&deploytest.Fault{Op: op, Nth: n, Status: 200, Body: `{"data":{"` + op + `":false}}`})
		}
		fail := r.do("deploy_to_railway_activity", railwayApp(nil), nil)
		if fail == nil || fail.Type != "ServerError" || f.Deployed != 0 {
			t.Errorf("%s: %v after %d deployments", op, fail, f.Deployed)
		}
	}
}

func TestADeploymentThatTheUpdateStartedAndThatShowsLateIsNotStartedAgain(t *testing.T) {
	f, r := newRailway(t)
	f.UpdateDeploys, f.LateBy = true, 2
	first, second, fail := railwayDeployment(r, nil)
	if fail != nil || f.Deployed != 2 || first.DeploymentID == second.DeploymentID {
		t.Errorf("%d deployments were started, want one per version: %v, %+v, %+v", f.Deployed, fail, first, second)
	}
}
