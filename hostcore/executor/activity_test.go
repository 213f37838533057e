package executor

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
)

// endless is an activity that ends only when it is canceled.
type endless struct {
	client.ActivityHandle
	canceled chan string
}

func (e *endless) GetID() string { return "manual/x/1" }

func (e *endless) Get(ctx context.Context, _ any) error {
	<-ctx.Done()
	return ctx.Err()
}

func (e *endless) Cancel(ctx context.Context, o client.CancelActivityOptions) error {
	e.canceled <- o.Reason
	return ctx.Err()
}

// activities is a server that runs it.
type activities struct {
	server
	handle *endless
}

func (s *activities) For(string) (client.Client, error) { return s, nil }

func (s *activities) ExecuteActivity(context.Context, client.StartActivityOptions, any, ...any) (client.ActivityHandle, error) {
	return s.handle, nil
}

func TestAnActivityWhoseCallerLeavesIsCanceled(t *testing.T) {
	s := &activities{server: server{polled: time.Now()}, handle: &endless{canceled: make(chan string, 1)}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := executor(&s.server)
	e.clients = s
	_, err := e.Activity(ctx, ActivityOptions{Name: "x"})
	if err == nil || !strings.Contains(err.Error(), "manual/x/1") || !strings.Contains(err.Error(), "asked to give up") {
		t.Errorf("%v", err)
	}
	select {
	case reason := <-s.handle.canceled:
		if reason != stopReason {
			t.Errorf("the reason is %q", reason)
		}
	default:
		t.Error("it goes on")
	}
}
