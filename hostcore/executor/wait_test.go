package executor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
)

func TestAWatchEndsWhenThereIsNothingMoreToSee(t *testing.T) {
	denied, unknown := serviceerror.NewPermissionDenied("no right to default", ""), serviceerror.NewNamespaceNotFound("default")
	deleted := serviceerror.NewNotFound("no such workflow")
	for _, tt := range []struct {
		name    string
		refusal error
		lasts   time.Duration
		ends    error // nil: it is watched to its end
		gone    bool
	}{
		{"the run was deleted", deleted, time.Hour, nil, true},
		{"the right to look was taken away", denied, time.Hour, denied, false},
		{"the namespace is gone", unknown, time.Hour, unknown, false},
		{"the namespace is not known for a moment", unknown, 3 * time.Second, nil, false},
		{"the server is away for long", serviceerror.NewUnavailable("away"), 10 * time.Minute, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{state: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING}
				e := executor(s)
				say := func(err error) func() {
					return func() {
						s.mu.Lock()
						defer s.mu.Unlock()
						s.refusal = err
					}
				}
				defer time.AfterFunc(time.Second, say(tt.refusal)).Stop()
				defer time.AfterFunc(time.Second+tt.lasts, say(nil)).Stop()
				defer time.AfterFunc(20*time.Minute, func() { s.become(enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED) }).Stop()
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
				defer cancel()
				began := time.Now()
				st, err := e.Watch(ctx, &Run{Service: "knowledge_graph", WorkflowID: "knowledge_graph_1", RunID: "run-1"}, nil)
				var gone *GoneError
				switch {
				case tt.gone && !errors.As(err, &gone), tt.ends != nil && !errors.Is(err, tt.ends):
					t.Errorf("%+v, %v after %s", st, err, time.Since(began))
				case (tt.gone || tt.ends != nil) && time.Since(began) > time.Minute:
					t.Errorf("only after %s: %v", time.Since(began), err)
				case !tt.gone && tt.ends == nil && (err != nil || st.State != "completed"):
					t.Errorf("%+v, %v after %s", st, err, time.Since(began))
				}
			})
		})
	}
}

func TestAStopThatMayNotLookDoesNotTerminate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{polled: time.Now(), state: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING}
		denied := serviceerror.NewPermissionDenied("no right to default", "")
		s.onCancel = func() { s.refusal = denied }
		_, err := executor(s).Stop(t.Context(), "knowledge_graph", StopOptions{Grace: time.Minute})
		if !errors.Is(err, denied) || s.terminate != "" {
			t.Errorf("%v, terminated for %q", err, s.terminate)
		}
	})
}
