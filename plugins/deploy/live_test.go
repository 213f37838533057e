//go:build live

package deploy

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"
)

// These tests make real things at real providers, and remove them. They cost what a small machine costs for some
// minutes. Each needs its token in the environment and is skipped without it:
//
//	go test -tags live -run Live -timeout 60m ./plugins/deploy
//
//	FLY_API_TOKEN    [FLY_ORG]          an org token
//	RAILWAY_TOKEN    [RAILWAY_WORKSPACE] an account or workspace token
//	RENDER_API_KEY   [RENDER_OWNER]
//	GITHUB_TOKEN     ORCH_LIVE_REPO      owner/name of a repository that may be written to

func env(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Skipf("%s is not set", name)
	}
	return v
}

const (
	liveV1 = "docker.io/library/nginx:1.27-alpine"
	liveV2 = "docker.io/library/nginx:1.28-alpine"
)

func liveRun(t *testing.T, config map[string]any) *run {
	t.Helper()
	d := newDeployer(defaultPace())
	r := newRunWith(t, d, config, alive{})
	r.id = fmt.Sprintf("live-%d", time.Now().UnixNano())
	return r
}

func liveApp(more map[string]any) map[string]any {
	return with(map[string]any{"app_name": fmt.Sprintf("orch-live-%d", time.Now().Unix()), "image": liveV1, "internal_port": 80,
		"secret_refs": []string{"DATABASE_URL"}}, more)
}

// remove sends the call that takes a thing away again.
func remove(t *testing.T, method, url, token, body string) {
	req, err := http.NewRequest(method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("Authorization", token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Errorf("%s %s: %v: remove it by hand", method, url, err)
		return
	}
	resp.Body.Close()
	if resp.StatusCode > 299 {
		t.Errorf("%s %s: %s: remove it by hand", method, url, resp.Status)
	}
}

// liveRounds deploys, deploys again what is there, deploys a second version and goes back.
func liveRounds(t *testing.T, r *run, deploy, rollback string, in map[string]any) {
	t.Helper()
	var first, again, second, back Result
	var h Health
	r.must(deploy, in, &first)
	if !first.Changed || first.DeploymentURL == "" {
		t.Fatalf("%+v", first)
	}
	r.must("check_deployment_health_activity", with(in, map[string]any{"url": first.DeploymentURL}), &h)
	r.must(deploy, in, &again)
	if again.Changed {
		t.Errorf("what is there was deployed again: %+v", again)
	}
	next := with(in, map[string]any{"image": liveV2})
	r.must(deploy, next, &second)
	if !second.Changed || second.PreviousImage+second.PreviousDeploymentID == "" {
		t.Errorf("%+v", second)
	}
	r.must(rollback, with(next, map[string]any{"previous_image": second.PreviousImage, "previous_deployment_id": second.PreviousDeploymentID}), &back)
	if !back.Changed {
		t.Errorf("%+v", back)
	}
	r.must("check_deployment_health_activity", with(in, map[string]any{"url": first.DeploymentURL}), &h)
}

func TestLiveFly(t *testing.T) {
	token := env(t, "FLY_API_TOKEN")
	for _, strategy := range []string{"rolling", "bluegreen"} {
		t.Run(strategy, func(t *testing.T) {
			r := liveRun(t, map[string]any{"fly": map[string]any{"token": token, "org": os.Getenv("FLY_ORG")}})
			in := liveApp(map[string]any{"strategy": strategy, "release_command": "nginx -t"})
			auth := "Bearer " + token
			if len(token) > 6 && token[:6] == "FlyV1 " {
				auth = token
			}
			t.Cleanup(func() {
				remove(t, http.MethodDelete, "https://api.machines.dev/v1/apps/"+in["app_name"].(string), auth, "")
			})
			r.must("create_flyio_app_activity", in, nil)
			r.must("set_flyio_secrets_activity", in, nil)
			liveRounds(t, r, "deploy_to_flyio_activity", "rollback_flyio_activity", in)
		})
	}
}

func TestLiveRailway(t *testing.T) {
	token := env(t, "RAILWAY_TOKEN")
	r := liveRun(t, map[string]any{"railway": map[string]any{"token": token, "workspace_id": os.Getenv("RAILWAY_WORKSPACE")}})
	in := liveApp(nil)
	var made Result
	r.must("create_railway_project_activity", in, &made)
	t.Cleanup(func() {
		remove(t, http.MethodPost, "https://backboard.railway.com/graphql/v2", "Bearer "+token,
			fmt.Sprintf(`{"query":"mutation { projectDelete(id: \"%s\") }"}`, made.ProjectID))
	})
	r.must("set_railway_env_vars_activity", in, nil)
	liveRounds(t, r, "deploy_to_railway_activity", "rollback_railway_activity", in)
}

func TestLiveRender(t *testing.T) {
	key := env(t, "RENDER_API_KEY")
	r := liveRun(t, map[string]any{"render": map[string]any{"api_key": key, "owner_id": os.Getenv("RENDER_OWNER")}})
	in := liveApp(nil)
	r.must("create_render_blueprint_activity", in, nil)
	var made Result
	t.Cleanup(func() {
		if r.do("deploy_to_render_activity", with(in, map[string]any{"dry_run": true}), &made) == nil && made.ServiceID != "" {
			remove(t, http.MethodDelete, "https://api.render.com/v1/services/"+made.ServiceID, "Bearer "+key, "")
		}
	})
	liveRounds(t, r, "deploy_to_render_activity", "rollback_render_activity", in)
}

func TestLiveGitHub(t *testing.T) {
	r := liveRun(t, map[string]any{"github": map[string]any{"token": env(t, "GITHUB_TOKEN")}})
	in := liveApp(map[string]any{"github_repo": env(t, "ORCH_LIVE_REPO"), "branch": fmt.Sprintf("orch-live-%d", time.Now().Unix())})
	var first, again Pushed
	r.must("push_to_github_activity", in, &first)
	r.must("push_to_github_activity", in, &again)
	if !first.Changed || again.Changed || first.CommitSHA != again.CommitSHA {
		t.Errorf("%+v, %+v", first, again)
	}
}
