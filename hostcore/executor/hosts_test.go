package executor

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	commonpb "go.temporal.io/api/common/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/roster"
)

// listed is the entry of a host as the server gives it.
func listed(t *testing.T, e roster.Entry) *workflowpb.WorkflowExecutionInfo {
	t.Helper()
	memo, err := converter.GetDefaultDataConverter().ToPayload(e)
	if err != nil {
		t.Fatal(err)
	}
	return &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: "orch-host/" + e.Name}, StartTime: timestamppb.Now(),
		Memo: &commonpb.Memo{Fields: map[string]*commonpb.Payload{"host": memo}},
	}
}

func TestHostsAreThoseThatPollAndThoseOnTheList(t *testing.T) {
	service := func(name string) config.Service {
		return config.Service{Name: name, Workflow: "W", TaskQueue: name + "-queue", Namespace: "default"}
	}
	cfg := &config.Config{Services: map[string]config.Service{"x": service("x"), "y": service("y"), "only-then": {Name: "only-then", Then: []string{"x"}}}}
	s := &server{polled: time.Now(), pollers: []string{"a/12", "b/1", "b/2", "somebody@else"}, listed: []*workflowpb.WorkflowExecutionInfo{
		listed(t, roster.Entry{Name: "b", Labels: []string{"gpu"}, Queues: []string{"x-queue"}, Version: "2"}),
		listed(t, roster.Entry{Name: "c", Queues: []string{"y-queue", "other-queue"}, Version: "1"}),
	}}
	e := New(cfg, s)
	got, err := e.Hosts(t.Context())
	want := []HostState{
		{Name: "a", Here: true, Services: []string{"x", "y"}},
		{Name: "b", Here: true, Labels: []string{"gpu"}, Services: []string{"x", "y"}, Version: "2"},
		{Name: "c", Services: []string{"y"}, Version: "1"},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(HostState{}, "Seen")); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	of, err := e.HostsOf(t.Context(), cfg.Services["y"])
	if diff := cmp.Diff([]string{"a", "b", "c"}, of); err != nil || diff != "" {
		t.Errorf("hosts of y: %v %s", err, diff)
	}
	if err := e.Forget(t.Context(), "b"); err == nil || !strings.Contains(err.Error(), "stop it first") || s.terminate != "" {
		t.Errorf("a host that runs was forgotten: %v", err)
	}
	if err := e.Forget(t.Context(), "c"); err != nil || s.terminate != "forgotten" {
		t.Errorf("%v, %q", err, s.terminate)
	}
}

func TestARefusalForAPlacementNamesTheHostsThatThereAre(t *testing.T) {
	err := (&NotPolledError{Service: "x", Placement: "gpus", Known: []string{"a", "b gpu"}}).Error()
	if !strings.Contains(err, `"gpus"`) || !strings.Contains(err, "hosts seen lately: a, b gpu") {
		t.Error(err)
	}
}
