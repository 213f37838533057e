package workflows

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/orch-host/orch/hostcore/progress"
)

func TestChatSetupKnowsItsSourceFolder(t *testing.T) {
	for _, tc := range []struct{ name, params, host, want string }{
		{"from the params", `{"context":"/src/a"}`, "/src/host", `{"context":"/src/a"}`},
		{"from the host when the params name none", `{"tag":"x"}`, "/src/host", `{"context":"/src/host","tag":"x"}`},
		{"from the host without params", `null`, "/src/host", `{"context":"/src/host"}`},
		{"from the host when it is empty", `{"context":""}`, "/src/host", `{"context":"/src/host"}`},
		{"from the plugin when nobody names one", `{"tag":"x"}`, "", `{"tag":"x"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := (&world{options: Options{ChatContext: tc.host}}).run(t, "ChatSetupWorkflow", json.RawMessage(tc.params))
			if o.Err != nil {
				t.Fatal(o.Err)
			}
			for _, c := range o.Calls {
				if diff := cmp.Diff([]string{tc.want}, c.Args); diff != "" {
					t.Errorf("%s (-want +got):\n%s", c.Activity, diff)
				}
			}
		})
	}
}

func TestAChatSetupThatFailsTakesBackWhatItCreatedAndNothingElse(t *testing.T) {
	const (
		neo4j, verify = "start_neo4j_dependency_activity", "verify_cloudflare_dependency_activity"
		build, start  = "build_chat_image_activity", "run_chat_container_activity"
		check         = "check_chat_health_activity"
	)
	created := map[string]any{neo4j: `{"created":true}`, build: `{"built":true}`, start: `{"created":true}`}
	container := []string{"stop_chat_container_activity", "delete_chat_container_activity"}
	image := []string{"delete_chat_image_activity"}
	database := []string{"stop_neo4j_dependency_activity", "delete_neo4j_dependency_activity"}
	for _, tc := range []struct {
		name, params, failing string
		answers               map[string]any
		undone                []string
	}{
		{"everything, in reverse", `{}`, check, created, slices.Concat(container, image, database)},
		{"not what was never reached", `{}`, build, created, database},
		{"not what the failed step was about to create", `{}`, neo4j, created, nil},
		{"not a database that was there before", `{}`, check,
			map[string]any{neo4j: `{"created":false}`, build: `{"built":true}`, start: `{"created":true}`}, slices.Concat(container, image)},
		{"not an image that was there before", `{}`, verify, map[string]any{neo4j: `{"created":true}`}, database},
		{"nothing when nothing is said", `{}`, check, nil, nil},
		{"nothing when told to keep it", `{"rollback_on_failure":false}`, check, created, nil},
	} {
		for _, cancel := range []bool{false, true} {
			name := tc.name
			if cancel {
				name += ", canceled"
			}
			t.Run(name, func(t *testing.T) {
				answers := map[string]any{}
				for k, v := range tc.answers {
					answers[k] = v
				}
				answers[tc.failing] = errBroken
				w := &world{answers: answers}
				if cancel {
					w.prepare = func(env *testsuite.TestWorkflowEnvironment) {
						answers[tc.failing] = canceled(env)
					}
				}
				o := w.run(t, "ChatSetupWorkflow", json.RawMessage(tc.params))
				if cancel != temporal.IsCanceledError(o.Err) {
					t.Errorf("the run ended with %v", o.Err)
				}
				if !cancel && failure(t, o.Err) != "docker is not running" {
					t.Errorf("the run failed with %q", failure(t, o.Err))
				}
				asked := o.asked()
				if diff := cmp.Diff(tc.undone, asked[slices.Index(asked, tc.failing)+1:], cmp.Transformer("", nilless)); diff != "" {
					t.Errorf("taken back (-want +got):\n%s", diff)
				}
				for _, u := range tc.undone {
					if s := o.step(t, u); s.State != progress.OK {
						t.Errorf("progress of %s: %+v", u, s)
					}
				}
			})
		}
	}
}

func nilless(s []string) string { return strings.Join(s, " ") }

func TestTakingBackGoesOnWhenAStepOfItFails(t *testing.T) {
	answers := map[string]any{
		"start_neo4j_dependency_activity": `{"created":true}`, "run_chat_container_activity": `{"created":true}`,
		"check_chat_health_activity": `{"healthy":false}`, "delete_chat_container_activity": errBroken,
	}
	o := (&world{answers: answers}).run(t, "ChatSetupWorkflow", nil)
	want := "the health check answered that it is not healthy; taking back what this run created failed too: " +
		"delete_chat_container_activity: docker is not running"
	if text := failure(t, o.Err); text != want {
		t.Errorf("got  %q\nwant %q", text, want)
	}
	if s := o.step(t, "delete_neo4j_dependency_activity"); s.State != progress.OK {
		t.Errorf("it stopped half-way: %v", o.states())
	}
}

func TestChatAndDeployWorkflowsLogTheirStartAndEnd(t *testing.T) {
	logging := []string{"ChatSetupWorkflow", "ChatCleanupWorkflow", "FlyioDeploymentWorkflow", "RailwayDeploymentWorkflow", "RenderDeploymentWorkflow"}
	for _, row := range contractRows() {
		if !slices.Contains(logging, row.workflow) {
			continue
		}
		t.Run(row.workflow, func(t *testing.T) {
			o := (&world{answers: row.answers}).run(t, row.workflow, row.args...)
			for _, line := range []string{`msg="` + row.workflow + ` start"`, `msg="` + row.workflow + ` complete"`} {
				if n := strings.Count(o.Log, line); n != 1 {
					t.Errorf("%d lines with %s in:\n%s", n, line, o.Log)
				}
			}
			o = (&world{answers: map[string]any{row.steps[0]: errBroken}}).run(t, row.workflow, row.args...)
			if strings.Contains(o.Log, row.workflow+" complete") {
				t.Error("a failed run logs that it is complete")
			}
		})
	}
}
