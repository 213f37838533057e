package deploy

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orch-host/orch/plugins/deploy/deploytest"
	"github.com/orch-host/orch/sdk"
	"github.com/orch-host/orch/sdk/pluginv1"
	"github.com/orch-host/orch/sdk/sdktest"
)

func TestThePluginOffersTheActivitiesOfTheContract(t *testing.T) {
	s, err := sdk.NewServer(Plugin("1.0.0"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range s.Manifest().GetActivities() {
		got = append(got, a.GetName())
		if !a.GetIdempotent() || a.GetDoc() == "" {
			t.Errorf("%s: idempotent %v, doc %q", a.GetName(), a.GetIdempotent(), a.GetDoc())
		}
		var schema struct{ Required []string }
		if err := json.Unmarshal(a.GetInputSchema(), &schema); err != nil || len(schema.Required) > 0 {
			t.Errorf("%s: %v, required %v: the workflows pass what they were given", a.GetName(), err, schema.Required)
		}
	}
	slices.Sort(got)
	want := []string{"check_deployment_health_activity", "create_flyio_app_activity", "create_railway_project_activity", "create_render_blueprint_activity",
		"deploy_to_flyio_activity", "deploy_to_railway_activity", "deploy_to_render_activity", "generate_deployment_configs_activity", "push_to_github_activity",
		"rollback_flyio_activity", "rollback_railway_activity", "rollback_render_activity", "set_flyio_secrets_activity", "set_railway_env_vars_activity"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("activities (-want +got):\n%s", diff)
	}
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	h := sdktest.Start(t, Plugin("1.0.0"))
	cases := map[string]struct {
		table map[string]any
		want  string
	}{
		"a token over plain http":   {map[string]any{"fly": map[string]any{"api_url": "http://api.example.com"}}, "fly.api_url"},
		"an address that is none":   {map[string]any{"github": map[string]any{"git_url": "github.com"}}, "github.git_url"},
		"a relative folder":         {map[string]any{"output_dir": "out"}, "output_dir"},
		"two tokens for Railway":    {map[string]any{"railway": map[string]any{"token": "aaaaaaaa", "project_token": "bbbbbbbb"}}, "railway.project_token"},
		"a key that does not exist": {map[string]any{"fly": map[string]any{"tokn": "x"}}, "fly.tokn"},
		"a secret without a name":   {map[string]any{"secrets": map[string]any{"A-B": "x"}}, "secrets.A-B"},
	}
	for name, c := range cases {
		problems := h.Configure(c.table, t.TempDir())
		if len(problems) != 1 || !strings.HasPrefix(problems[0], c.want) {
			t.Errorf("%s: %q, want one at %s", name, problems, c.want)
		}
	}
	if problems := h.Configure(map[string]any{"fly": map[string]any{"token": "x", "api_url": "http://127.0.0.1:1"}}, t.TempDir()); len(problems) > 0 {
		t.Errorf("a good one: %q", problems)
	}
}

func TestWithoutATokenTheErrorNamesTheKey(t *testing.T) {
	r := newRun(t, map[string]any{}, alive{})
	in := map[string]any{"app_name": "shop", "image": "ghcr.io/acme/shop:v1", "github_repo": "acme/shop"}
	for activity, key := range map[string]string{
		"create_flyio_app_activity": "fly.token", "deploy_to_flyio_activity": "fly.token", "create_railway_project_activity": "railway.token",
		"set_railway_env_vars_activity": "railway.token", "deploy_to_railway_activity": "railway.token", "create_render_blueprint_activity": "render.api_key",
		"deploy_to_render_activity": "render.api_key", "push_to_github_activity": "github.token",
	} {
		fail := r.do(activity, in, nil)
		if fail == nil || fail.Type != "NotConfigured" || !fail.Final || !strings.Contains(fail.Message, key) {
			t.Errorf("%s: %v", activity, fail)
		}
	}
}

// begin starts a deployment that waits for the provider until release is called.
func begin(r *run, activity, workflow, runID string, in map[string]any) *sdktest.Attempt {
	return r.h.Begin(sdktest.Call{Activity: activity, Args: []any{in}, WorkflowID: workflow, RunID: runID})
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestASecondDeploymentOfAnAppIsRefusedWithTheRunningOnesID(t *testing.T) {
	f, r := newRender(t)
	f.LiveAfter = 1 << 30
	first := begin(r, "deploy_to_render_activity", "render-deploy_1", "run-a", renderApp(nil))
	until(t, "the first deployment has started", func() bool { return len(f.Services()) == 1 })
	second := r.h.Execute(sdktest.Call{Activity: "deploy_to_render_activity", Args: []any{renderApp(nil)}, WorkflowID: "render-deploy_2", RunID: "run-b"})
	if second.Failure.GetType() != "DeployInProgress" || !second.Failure.GetNonRetryable() || !strings.Contains(second.Failure.GetMessage(), "render-deploy_1 (run run-a)") {
		t.Errorf("%v", second.Failure)
	}
	other := begin(r, "deploy_to_render_activity", "render-deploy_3", "run-c", renderApp(map[string]any{"app_name": "other"}))
	until(t, "another app is deployed beside it", func() bool { return len(f.Services()) == 2 })
	// A second attempt of the same run waits for the first one to end, and then goes on with its deployment.
	again := begin(r, "deploy_to_render_activity", "render-deploy_1", "run-a", renderApp(nil))
	first.Cancel(pluginv1.Cancel_TIMEOUT, 5*time.Second)
	if o := first.Wait(); o.Failure == nil {
		t.Error("the cancelled attempt succeeded")
	}
	again.Cancel(pluginv1.Cancel_REQUESTED, 5*time.Second)
	other.Cancel(pluginv1.Cancel_REQUESTED, 5*time.Second)
	again.Wait()
	other.Wait()
	if f.Deployed != 2 {
		t.Errorf("%d deploys were started, want one per app", f.Deployed)
	}
}

func TestACancelledDeploymentIsLeftRunningUnlessAskedOtherwise(t *testing.T) {
	for _, ask := range []bool{false, true} {
		in := map[string]any{"cancel_on_abort": ask}
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
		var wg sync.WaitGroup
		for _, x := range []*sdktest.Attempt{a, b} {
			wg.Go(func() {
				x.Cancel(pluginv1.Cancel_REQUESTED, 20*time.Second)
				if o := x.Wait(); o.Failure == nil || !o.Failure.GetCanceled() {
					t.Errorf("cancelled, and yet %v", o.Failure)
				}
			})
		}
		wg.Wait()
		if got := len(rf.Cancelled) + len(wf.Cancelled); got != map[bool]int{false: 0, true: 2}[ask] {
			t.Errorf("cancel_on_abort %v: %d provider deployments were cancelled", ask, got)
		}
	}
}

func TestAnAttemptEndsBeforeItsTimeSoThatTheNextOneCanGoOn(t *testing.T) {
	f, r := newRender(t)
	f.LiveAfter = 1 << 30
	o := r.h.Execute(sdktest.Call{Activity: "deploy_to_render_activity", Args: []any{renderApp(nil)}, RunID: "a", Timeout: 2 * time.Second})
	if o.Failure.GetType() != "StillDeploying" || o.Failure.GetNonRetryable() {
		t.Fatalf("%v", o.Failure)
	}
	f.LiveAfter = 0
	o = r.h.Execute(sdktest.Call{Activity: "deploy_to_render_activity", Args: []any{renderApp(nil)}, RunID: "a", Attempt: 2, Timeout: time.Minute})
	if o.Failure != nil || f.Deployed != 1 {
		t.Errorf("%v after %d deploys", o.Failure, f.Deployed)
	}
}

func TestReadsThatFailWhileWaitingAreNoReasonToGiveUp(t *testing.T) {
	f, r := newRender(t)
	f.LiveAfter = 6
	for nth, fault := range map[int]deploytest.Fault{
		1: {Drop: true}, 2: {Status: 500}, 3: {Status: 503}, 5: {Status: 429},
	} {
		fault.Op, fault.Nth = "GET /services/{serviceId}/deploys/{deployId}", nth
		f.Script(&fault)
	}
	var res Result
	r.must("deploy_to_render_activity", renderApp(nil), &res)
	if r.attempts != 1 || !f.Fired() {
		t.Errorf("%d attempts", r.attempts)
	}
}
