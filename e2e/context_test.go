package e2e

import (
	"errors"
	"strings"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
)

func TestTheChatWorkflowTakesItsFolderFromTheServiceWhoeverStartsIt(t *testing.T) {
	r := newRig(t, []string{bin("plugins", "greeter")}, `
[services.{service}]
workflow = "ChatSetupWorkflow"
params = { context = "/srv/chat" }
`)
	r.start()
	c := r.client(client.Options{})
	for _, tc := range []struct {
		name   string
		params map[string]any
		want   string
	}{
		{"params that name no folder", map[string]any{"service_name": "x"}, `"context":"/srv/chat"`},
		{"params that name one", map[string]any{"context": "/home/me/chat"}, `"context":"/home/me/chat"`},
	} {
		run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: r.service + "-queue"}, "ChatSetupWorkflow", tc.params)
		if err != nil {
			t.Fatal(err)
		}
		r.eventually(tc.name, func() error { // no plugin takes its first activity, which shows what it would get
			for it := c.GetWorkflowHistory(t.Context(), run.GetID(), run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); it.HasNext(); {
				e, err := it.Next()
				if err != nil {
					return err
				}
				if s := e.GetActivityTaskScheduledEventAttributes(); s != nil {
					if got := string(s.GetInput().GetPayloads()[0].GetData()); !strings.Contains(got, tc.want) {
						t.Errorf("%s: the first activity gets %s, want %s in it", tc.name, got, tc.want)
					}
					return nil
				}
			}
			return errors.New("no activity is scheduled")
		})
		if err := c.TerminateWorkflow(t.Context(), run.GetID(), run.GetRunID(), "the test is over"); err != nil {
			t.Error(err)
		}
	}
}
