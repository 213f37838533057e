package workflows

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/orch-host/orch/hostcore/progress"
)

// provider is what differs between the three deploy workflows.
type provider struct{ name, workflow, service, deploy, rollback string }

func providers() []provider {
	return []provider{
		{"flyio", "FlyioDeploymentWorkflow", "flyio-deploy", "deploy_to_flyio_activity", "rollback_flyio_activity"},
		{"railway", "RailwayDeploymentWorkflow", "railway-deploy", "deploy_to_railway_activity", "rollback_railway_activity"},
		{"render", "RenderDeploymentWorkflow", "render-deploy", "deploy_to_render_activity", "rollback_render_activity"},
	}
}

func TestDeploysNameTheirServiceAndPlatform(t *testing.T) {
	for _, p := range providers() {
		for _, tc := range []struct{ name, params, want string }{
			{"no params", `null`, p.service},
			{"no name", `{"service_name":null}`, p.service},
			{"a name", `{"service_name":"mine"}`, "mine"},
		} {
			t.Run(p.name+"/"+tc.name, func(t *testing.T) {
				o := (&world{answers: map[string]any{p.deploy: `{"deployment_url":"https://x.example.com"}`}}).
					run(t, p.workflow, json.RawMessage(tc.params))
				if o.Err != nil {
					t.Fatal(o.Err)
				}
				for _, c := range o.Calls {
					want := `{"service_name":"` + tc.want + `"}`
					switch c.Activity {
					case generateConfigs:
						want = `{"platforms":["` + p.name + `"],"service_name":"` + tc.want + `"}`
					case checkHealth:
						want = `{"service_name":"` + tc.want + `","url":"https://x.example.com"}`
					}
					if p.name == "render" && c.Activity == p.deploy {
						continue // has the push laid over it, see below
					}
					if diff := cmp.Diff([]string{want}, c.Args); diff != "" {
						t.Errorf("%s (-want +got):\n%s", c.Activity, diff)
					}
				}
			})
		}
	}
}

func TestRenderDeploysWhatWasPushed(t *testing.T) {
	o := (&world{answers: map[string]any{
		"push_to_github_activity":   `{"repo_url":"https://git.example.com/me/app","branch":"main","commit_sha":"abc"}`,
		"deploy_to_render_activity": `{"deployment_url":"https://app.onrender.com"}`,
	}}).run(t, "RenderDeploymentWorkflow", json.RawMessage(`{"branch":"old","size":1e20}`))
	want := `{"branch":"main","commit_sha":"abc","repo_url":"https://git.example.com/me/app","service_name":"render-deploy","size":1e20}`
	if diff := cmp.Diff([]string{want}, o.args(t, "deploy_to_render_activity")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want = `{"branch":"old","service_name":"render-deploy","size":1e20,"url":"https://app.onrender.com"}`
	if diff := cmp.Diff([]string{want}, o.args(t, checkHealth)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFlyChecksTheAppsOwnAddressWhenTheDeployNamesNone(t *testing.T) {
	o := (&world{}).run(t, "FlyioDeploymentWorkflow", json.RawMessage(`{"app_name":"demo"}`))
	want := `{"app_name":"demo","service_name":"flyio-deploy","url":"https://demo.fly.dev"}`
	if diff := cmp.Diff([]string{want}, o.args(t, checkHealth)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestADeployWithNothingToCheckFails(t *testing.T) {
	for _, p := range providers() {
		for _, tc := range []struct{ name, result, tells string }{
			{"no address", `{}`, "returned no deployment_url"},
			{"no result", `null`, "returned no deployment_url"},
			{"an empty address", `{"deployment_url":""}`, "returned no deployment_url"},
			{"a word", `{"deployment_url":"demo"}`, "is no http(s) address"},
			{"an ssh address", `{"deployment_url":"git@github.com:me/app.git"}`, "is no http(s) address"},
			{"a GitHub page", `{"deployment_url":"https://github.com/me/app"}`, "source repository"},
			{"a GitHub page by another name", `{"deployment_url":"https://www.GitHub.com/me/app"}`, "source repository"},
			{"a GitLab page", `{"deployment_url":"https://gitlab.com/me/app"}`, "source repository"},
			{"a Bitbucket page", `{"deployment_url":"https://bitbucket.org/me/app"}`, "source repository"},
		} {
			t.Run(p.name+"/"+tc.name, func(t *testing.T) {
				o := (&world{answers: map[string]any{p.deploy: tc.result}}).run(t, p.workflow, nil)
				text := failure(t, o.Err)
				if !strings.HasPrefix(text, "nothing to check: ") || !strings.Contains(text, tc.tells) {
					t.Errorf("got %q", text)
				}
				if slices.Contains(o.asked(), checkHealth) {
					t.Error("the health check was made up")
				}
				if s := o.step(t, checkHealth); s.State != progress.Skipped {
					t.Errorf("progress: %+v", s)
				}
			})
		}
	}
}

func TestRenderNeverChecksTheRepositoryItPushedTo(t *testing.T) {
	o := (&world{answers: map[string]any{
		"push_to_github_activity":   `{"repo_url":"https://git.example.com/me/app.git"}`,
		"deploy_to_render_activity": `{"deployment_url":"http://git.example.com/me/App/"}`,
	}}).run(t, "RenderDeploymentWorkflow", nil)
	if text := failure(t, o.Err); !strings.Contains(text, "is the page of the source repository") {
		t.Errorf("got %q", text)
	}
}

func TestADryRunPlansEveryStepAndChecksNothing(t *testing.T) {
	for _, p := range providers() {
		t.Run(p.name, func(t *testing.T) {
			o := (&world{}).run(t, p.workflow, map[string]any{"dry_run": true})
			if o.Err != nil || o.Result != p.name+"_deploy_complete" {
				t.Fatalf("result %q, error %v", o.Result, o.Err)
			}
			if asked := o.asked(); slices.Contains(asked, checkHealth) || len(asked) != 4 {
				t.Errorf("called %v", asked)
			}
			if s := o.step(t, checkHealth); s.State != progress.Skipped {
				t.Errorf("progress: %+v", s)
			}
		})
	}
}

func TestAnUnhealthyDeployGoesBackWhereItCan(t *testing.T) {
	sick := temporal.NewNonRetryableApplicationError("503 for 5 minutes", "Unhealthy", nil)
	const url = `"deployment_url":"https://x.example.com"`
	for _, tc := range []struct {
		name, params, deployed string
		health, rollback       any
		want                   string
		rolled                 progress.State // of the rollback step, "" when there must be none
	}{
		{"to the previous image", `{}`, `{` + url + `,"changed":true,"previous_image":"app@sha256:1"}`, sick, `{}`,
			"https://x.example.com is not healthy: 503 for 5 minutes; rolled back to app@sha256:1", progress.OK},
		{"to the previous deployment", `{"rollback_on_failure":true}`, `{` + url + `,"changed":true,"previous_deployment_id":"dep-1"}`, sick, `{}`,
			"https://x.example.com is not healthy: 503 for 5 minutes; rolled back to dep-1", progress.OK},
		{"when the check answers false", `{}`, `{` + url + `,"changed":true,"previous_deployment_id":"dep-1"}`, `false`, `{}`,
			"https://x.example.com is not healthy: the health check answered that it is not healthy; rolled back to dep-1", progress.OK},
		{"when the check answers not healthy", `{}`, `{` + url + `,"changed":true,"previous_deployment_id":"dep-1"}`, `{"healthy":false}`, `{}`,
			"https://x.example.com is not healthy: the health check answered that it is not healthy; rolled back to dep-1", progress.OK},
		{"and says so when going back fails", `{}`, `{` + url + `,"changed":true,"previous_image":"app@sha256:1"}`, sick, errBroken,
			"https://x.example.com is not healthy: 503 for 5 minutes; rolling back to app@sha256:1 failed: docker is not running", progress.Failed},
		{"unless the params forbid it", `{"rollback_on_failure":false}`, `{` + url + `,"changed":true,"previous_image":"app@sha256:1"}`, sick, `{}`,
			"https://x.example.com is not healthy: 503 for 5 minutes; not rolled back: rollback_on_failure is false", ""},
		{"unless nothing was changed", `{}`, `{` + url + `,"changed":false,"previous_image":"app@sha256:1"}`, sick, `{}`,
			"https://x.example.com is not healthy: 503 for 5 minutes; not rolled back: this run changed nothing", ""},
		{"unless it is the first deploy", `{}`, `{` + url + `,"changed":true,"previous_image":""}`, sick, `{}`,
			"https://x.example.com is not healthy: 503 for 5 minutes; not rolled back: there is no previous version", ""},
	} {
		for _, p := range providers() {
			t.Run(p.name+"/"+tc.name, func(t *testing.T) {
				o := (&world{answers: map[string]any{p.deploy: tc.deployed, checkHealth: tc.health, p.rollback: tc.rollback}}).
					run(t, p.workflow, json.RawMessage(tc.params))
				if text := failure(t, o.Err); text != tc.want {
					t.Errorf("got  %q\nwant %q", text, tc.want)
				}
				if s := o.step(t, checkHealth); s.State != progress.Failed {
					t.Errorf("progress of the check: %+v", s)
				}
				if tc.rolled == "" {
					if slices.Contains(o.asked(), p.rollback) {
						t.Error("it was rolled back")
					}
					return
				}
				if s := o.step(t, p.rollback); s.State != tc.rolled {
					t.Errorf("progress of the rollback: %+v", s)
				}
				var got, deployed map[string]any
				if err := json.Unmarshal([]byte(o.args(t, p.rollback)[0]), &got); err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal([]byte(tc.deployed), &deployed); err != nil {
					t.Fatal(err)
				}
				for k, v := range deployed {
					if diff := cmp.Diff(v, got[k]); diff != "" {
						t.Errorf("the rollback was not told %s (-want +got):\n%s", k, diff)
					}
				}
				if got["service_name"] != p.service {
					t.Errorf("the rollback was not told the params: %v", got)
				}
			})
		}
	}
}

func TestARollbackRunsToItsEndWhenTheRunIsCanceled(t *testing.T) {
	for _, p := range providers() {
		t.Run(p.name, func(t *testing.T) {
			w := &world{}
			var env *testsuite.TestWorkflowEnvironment
			w.prepare = func(e *testsuite.TestWorkflowEnvironment) { env = e }
			w.answers = map[string]any{
				p.deploy:    `{"deployment_url":"https://x.example.com","changed":true,"previous_image":"old"}`,
				checkHealth: errBroken,
				p.rollback: func(context.Context, call) (any, error) {
					env.CancelWorkflow()
					return `{}`, nil
				},
			}
			o := w.run(t, p.workflow, nil)
			if !temporal.IsCanceledError(o.Err) {
				t.Errorf("the run ended with %v, want canceled", o.Err)
			}
			if s := o.step(t, p.rollback); s.State != progress.OK {
				t.Errorf("progress of the rollback: %+v", s)
			}
			if s := o.step(t, checkHealth); s.State != progress.Failed || s.Error != "docker is not running" {
				t.Errorf("progress of the check: %+v", s)
			}
		})
	}
}

func TestACanceledHealthCheckRollsNothingBack(t *testing.T) {
	for _, p := range providers() {
		t.Run(p.name, func(t *testing.T) {
			w := &world{}
			w.prepare = func(env *testsuite.TestWorkflowEnvironment) {
				w.answers = map[string]any{
					p.deploy:    `{"deployment_url":"https://x.example.com","changed":true,"previous_image":"old"}`,
					checkHealth: canceled(env),
				}
			}
			o := w.run(t, p.workflow, nil)
			if !temporal.IsCanceledError(o.Err) {
				t.Errorf("the run ended with %v, want canceled", o.Err)
			}
			if slices.Contains(o.asked(), p.rollback) {
				t.Error("it was rolled back")
			}
		})
	}
}
