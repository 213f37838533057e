package e2e

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
)

const pipelineResult = "Database pipeline fully configured: Neo4j + Qdrant"

// step is how a workflow asks for an activity.
type step struct {
	Activity, Queue, Input string
	Attempts               int32
	StartToClose           time.Duration
}

func history(t *testing.T, c client.Client, workflowID, runID string) []*historypb.HistoryEvent {
	t.Helper()
	var events []*historypb.HistoryEvent
	for i := c.GetWorkflowHistory(t.Context(), workflowID, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); i.HasNext(); {
		e, err := i.Next()
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

func steps(events []*historypb.HistoryEvent) []step {
	var all []step
	for _, e := range events {
		if a := e.GetActivityTaskScheduledEventAttributes(); a != nil {
			all = append(all, step{a.GetActivityType().GetName(), a.GetTaskQueue().GetName(), string(a.GetInput().GetPayloads()[0].GetData()),
				a.GetRetryPolicy().GetMaximumAttempts(), a.GetStartToCloseTimeout().AsDuration()})
		}
	}
	return all
}

func TestTheDatabasePipelineRunsFromOneCommandAndASecondRunChangesNothing(t *testing.T) {
	docker := engine(t)
	r := databases(t, docker, "")

	first := r.expect(0, "run", r.service)
	if !strings.Contains(first.stdout, "✓ "+pipelineResult+"  (") {
		t.Errorf("the result is not shown: %v", first)
	}
	ids := r.checkContainers(docker)

	second := r.expect(0, "run", r.service, "--json")
	if again := r.checkContainers(docker); !cmp.Equal(ids, again) {
		t.Errorf("the second run made other containers: %s", cmp.Diff(ids, again))
	}
	verdict := lastJSON[struct {
		State, Result string
		Progress      struct {
			Steps []struct{ Name, State, Outcome string }
		}
	}](t, second.stdout)
	if verdict.State != "completed" || verdict.Result != pipelineResult {
		t.Errorf("want the exact result text, got %+v", verdict)
	}
	for _, s := range verdict.Progress.Steps {
		if s.State != "ok" || !strings.HasPrefix(s.Outcome, "unchanged") {
			t.Errorf("want every step unchanged, got %+v", s)
		}
	}
	if left := r.gone(30 * time.Second); len(left) > 0 {
		t.Errorf("host run left processes:\n%s", strings.Join(left, "\n"))
	}

	r.start() // the history outlives the hosts that made it
	c := r.client(client.Options{})
	want := []step{
		{"start_neo4j_container", r.service + "-queue", `"` + r.service + `"`, 3, 5 * time.Minute},
		{"start_qdrant_container", r.service + "-queue", `"` + r.service + `"`, 3, 5 * time.Minute},
	}
	if diff := cmp.Diff(want, steps(history(t, c, r.service+"_1", ""))); diff != "" {
		t.Errorf("the history differs from the contract (-want +got):\n%s", diff)
	}
	if got := r.result(c, r.service+"_1"); got != pipelineResult {
		t.Errorf("want the result %q, got %q", pipelineResult, got)
	}
}

// lastJSON reads the last of the values that a command printed.
func lastJSON[T any](t *testing.T, text string) T {
	t.Helper()
	var last json.RawMessage
	for d := json.NewDecoder(strings.NewReader(text)); d.More(); {
		if err := d.Decode(&last); err != nil {
			t.Fatalf("this is not JSON: %v\n%s", err, text)
		}
	}
	var v T
	if err := json.Unmarshal(last, &v); err != nil {
		t.Fatalf("%v in %s", err, last)
	}
	return v
}

func TestAForeignContainerWithTheSameNameIsLeftAloneAndNamed(t *testing.T) {
	docker := engine(t)
	r := databases(t, docker, "")
	name := r.service + "-neo4j"
	foreign, err := docker.ContainerCreate(context.Background(), &container.Config{
		Image: neo4jImage, Labels: map[string]string{"orch.test": "1"},
	}, nil, nil, nil, name)
	if err != nil {
		t.Fatal(err)
	}
	before, err := docker.ContainerInspect(t.Context(), foreign.ID)
	if err != nil {
		t.Fatal(err)
	}

	o := r.expect(1, "run", r.service)
	if !strings.Contains(o.stdout, `container "`+name+`" exists and belongs to something that is not orch`) {
		t.Errorf("the error does not name the container: %v", o)
	}
	after, err := docker.ContainerInspect(t.Context(), foreign.ID)
	if err != nil {
		t.Fatalf("the foreign container is gone: %v", err)
	}
	if diff := cmp.Diff(before.State, after.State); diff != "" || before.Name != after.Name {
		t.Errorf("the foreign container was touched: %s", diff)
	}
	if all := r.containers(docker); len(all) != 1 {
		t.Errorf("other containers were made: %v", all)
	}
}
