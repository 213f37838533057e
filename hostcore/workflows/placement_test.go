package workflows

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/orch-host/orch/hostcore/codec"
	"github.com/orch-host/orch/hostcore/progress"
)

// placedCall is an activity and the queue it was sent to.
type placedCall struct{ activity, queue string }

// runPlaced runs DatabasePipelineWorkflow under a placement; fail says which
// queue's activities fail.
func runPlaced(t *testing.T, p Placement, fail string, prepare ...func(*testsuite.TestWorkflowEnvironment)) (env *testsuite.TestWorkflowEnvironment, calls []placedCall) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env = suite.NewTestWorkflowEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{p.Interceptor()}})
	Register(env, Options{})
	p.Register(env)
	var mu sync.Mutex
	for _, name := range databasePipeline().activities {
		env.RegisterActivityWithOptions(func(ctx context.Context, _ string) (string, error) {
			info := activity.GetInfo(ctx)
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, placedCall{info.ActivityType.Name, info.TaskQueue})
			if fail != "" && strings.HasSuffix(info.TaskQueue, fail) {
				return "", temporal.NewNonRetryableApplicationError("no space left", "Disk", nil)
			}
			return "created", nil
		}, activity.RegisterOptions{Name: name})
	}
	for _, f := range prepare {
		f(env)
	}
	env.ExecuteWorkflow("DatabasePipelineWorkflow", "kg")
	slices.SortStableFunc(calls, func(a, b placedCall) int { return strings.Compare(a.queue, b.queue) })
	return env, calls
}

func TestActivitiesGoToTheHostsOfTheirPlacement(t *testing.T) {
	env, calls := runPlaced(t, Placement{Target: "gpu"}, "")
	var result string
	if err := env.GetWorkflowResult(&result); err != nil || result != "Database pipeline fully configured: Neo4j + Qdrant" {
		t.Errorf("%q, %v", result, err)
	}
	queue := PlacedQueue("default-test-taskqueue", "gpu")
	want := []placedCall{{"start_neo4j_container", queue}, {"start_qdrant_container", queue}}
	if diff := cmp.Diff(want, calls, cmp.AllowUnexported(placedCall{})); diff != "" {
		t.Error(diff)
	}
}

func allHosts(context.Context) ([]string, error) { return []string{"a", "b"}, nil }

func TestARunForAllHostsIsDoneOnceOnEveryOne(t *testing.T) {
	env, calls := runPlaced(t, Placement{All: true, Hosts: allHosts}, "")
	var result string
	if err := env.GetWorkflowResult(&result); err != nil || result != "Database pipeline fully configured: Neo4j + Qdrant" {
		t.Errorf("%q, %v", result, err)
	}
	a, b := PlacedQueue("default-test-taskqueue", "a"), PlacedQueue("default-test-taskqueue", "b")
	want := []placedCall{{"start_neo4j_container", a}, {"start_qdrant_container", a}, {"start_neo4j_container", b}, {"start_qdrant_container", b}}
	if diff := cmp.Diff(want, calls, cmp.AllowUnexported(placedCall{})); diff != "" {
		t.Error(diff)
	}
	v, err := env.QueryWorkflow(progress.Query)
	if err != nil {
		t.Fatal(err)
	}
	var p progress.Progress
	if err := v.Get(&p); err != nil || len(p.Steps) != 3 || p.Steps[0].Name != "find the hosts" || p.Steps[1].Name != "on a" || p.Steps[2].State != progress.OK || p.State != progress.OK {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestARunForAllHostsIsDoneOnceWithEncryptionToo(t *testing.T) {
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	c, err := codec.New("k", map[string]string{"k": key})
	if err != nil {
		t.Fatal(err)
	}
	env, calls := runPlaced(t, Placement{All: true, Hosts: allHosts}, "", func(env *testsuite.TestWorkflowEnvironment) {
		env.SetDataConverter(converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), c))
	})
	if err := env.GetWorkflowError(); err != nil || len(calls) != 4 {
		t.Errorf("%v, %v", calls, err)
	}
}

func TestOneHostThatFailsFailsTheRunAndIsNamed(t *testing.T) {
	env, calls := runPlaced(t, Placement{All: true, Hosts: allHosts}, "@b")
	err := env.GetWorkflowError()
	if err == nil || !strings.Contains(err.Error(), "on host b: no space left") || strings.Contains(err.Error(), "host a") {
		t.Errorf("%v", err)
	}
	if len(calls) != 3 {
		t.Errorf("host a did not go on to its end: %v", calls)
	}
}

func TestARunOfBeforeTheListOfHostsLooksAsItDidThen(t *testing.T) {
	looks := 0
	hosts := func(context.Context) ([]string, error) {
		if looks++; looks < 3 {
			return []string{"b"}, nil
		}
		return []string{"a", "b"}, nil
	}
	_, calls := runPlaced(t, Placement{All: true, Hosts: hosts}, "", func(env *testsuite.TestWorkflowEnvironment) {
		env.OnGetVersion(fanOutChange, workflow.DefaultVersion, workflow.Version(knownHosts)).Return(workflow.Version(seenHosts))
	})
	if len(calls) != 4 || looks != 5 {
		t.Errorf("%d looks, %v", looks, calls)
	}
}

func TestTheListOfHostsIsAskedUntilItAnswers(t *testing.T) {
	asked := 0
	_, calls := runPlaced(t, Placement{All: true, Hosts: func(context.Context) ([]string, error) {
		if asked++; asked < 9 {
			return nil, errors.New("the server does not answer")
		}
		return []string{"a", "b"}, nil
	}}, "")
	if len(calls) != 4 || asked != 9 {
		t.Errorf("asked %d times, %v", asked, calls)
	}
}

func TestAHostThatDidNotComeIsNamedWithTheWayToForgetIt(t *testing.T) {
	away := temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START, nil)
	_, err := gather([]string{"a", "b"}, map[string]any{"a": "done"}, map[string]error{"b": away})
	if err == nil || !strings.Contains(err.Error(), "host hosts forget b") {
		t.Errorf("%v", err)
	}
}

func TestNoHostIsAnError(t *testing.T) {
	env, _ := runPlaced(t, Placement{All: true, Hosts: func(context.Context) ([]string, error) {
		return nil, temporal.NewNonRetryableApplicationError("no host polls task queue x", "NoHost", errors.New("none"))
	}}, "")
	if err := env.GetWorkflowError(); err == nil || !strings.Contains(err.Error(), "no host polls task queue x") {
		t.Errorf("%v", err)
	}
}

func TestAnswersOfHostsAreGathered(t *testing.T) {
	hosts := []string{"a", "b"}
	for name, c := range map[string]struct {
		results map[string]any
		want    any
	}{
		"equal":     {map[string]any{"a": "done", "b": "done"}, "done"},
		"different": {map[string]any{"a": "1 file", "b": "2 files"}, map[string]any{"a": "1 file", "b": "2 files"}},
		"tables":    {map[string]any{"a": map[string]any{"x": 1}, "b": nil}, map[string]any{"a": map[string]any{"x": 1}, "b": nil}},
		"a failure": {map[string]any{"a": "done", "b": "Error: Failed to start Jaeger container"}, "Error: Failed to start Jaeger container (on host b)"},
	} {
		got, err := gather(hosts, c.results, nil)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}
