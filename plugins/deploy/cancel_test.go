package deploy

import (
	"testing"
	"time"

	"github.com/orch-host/orch/sdk/pluginv1"
	"github.com/orch-host/orch/sdk/sdktest"
)

func TestAnAttemptThatIsToGoOnElsewhereLeavesTheDeploymentRunning(t *testing.T) {
	for _, reason := range []pluginv1.Cancel_Reason{pluginv1.Cancel_DRAIN, pluginv1.Cancel_WORKER_STOP, pluginv1.Cancel_PAUSED, pluginv1.Cancel_TIMEOUT} {
		t.Run(reason.String(), func(t *testing.T) {
			in := map[string]any{"cancel_on_abort": true}
			rf, rr := newRender(t)
			rf.LiveAfter = 1 << 30
			wf, wr := newRailway(t)
			wf.LiveAfter = 1 << 30
			wr.must("create_railway_project_activity", railwayApp(nil), nil)
			a := begin(rr, "deploy_to_render_activity", "w", "r", renderApp(in))
			b := begin(wr, "deploy_to_railway_activity", "w", "r", railwayApp(in))
			until(t, "both are being waited for", func() bool {
				return rf.Count("GET /services/{serviceId}/deploys/{deployId}") > 0 && wf.Count("deployment") > 0
			})
			for _, x := range []*sdktest.Attempt{a, b} {
				x.Cancel(reason, 20*time.Second)
				x.Wait()
			}
			if got := len(rf.Cancelled) + len(wf.Cancelled); got != 0 {
				t.Errorf("%d provider deployments were cancelled, and the next attempt would take that for their verdict", got)
			}
		})
	}
}
