package embedded

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// realDevserver is the built binary: $ORCH_DEVSERVER, or bin/devserver.
func realDevserver(t *testing.T) string {
	t.Helper()
	path := os.Getenv("ORCH_DEVSERVER")
	if path == "" {
		path = filepath.Join("..", "..", "bin", binaryName)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("devserver not built (make devserver, or set ORCH_DEVSERVER): %v", err)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

func chain(ctx workflow.Context, n int) (int, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	for i := range n {
		if err := workflow.ExecuteActivity(ctx, "step", i).Get(ctx, nil); err != nil {
			return i, err
		}
	}
	return n, nil
}

func TestWorkflowsRunOnTheRealServerAcrossItsDeath(t *testing.T) {
	began := time.Now()
	events := make(chan Event, 16)
	opts := Options{Binary: realDevserver(t), StateDir: t.TempDir(), Port: freePort(t), Events: func(e Event) { events <- e }}
	s := mustStart(t, opts)
	t.Logf("start to ready: %s", time.Since(began))

	_, err := Start(within(t), opts)
	var running *AlreadyRunningError
	if !errors.As(err, &running) || running.Address != s.Address() || running.Pid != s.Pid() {
		t.Errorf("a second start: got %v, want the first one's address %s", err, s.Address())
	}

	c, err := client.Dial(client.Options{HostPort: s.Address()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w := worker.New(c, "q", worker.Options{})
	w.RegisterWorkflow(chain)
	killAt := make(chan struct{}, 1)
	w.RegisterActivityWithOptions(func(_ context.Context, i int) error {
		if i == 50 {
			select {
			case killAt <- struct{}{}:
			default:
			}
		}
		return nil
	}, activity.RegisterOptions{Name: "step"})
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.Stop()

	ctx := within(t)
	measured, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: "q"}, chain, 40)
	if err != nil {
		t.Fatal(err)
	}
	from := time.Now()
	if err := measured.Get(ctx, nil); err != nil {
		t.Fatal(err)
	}
	t.Logf("40 activities one after the other: %s each", time.Since(from)/40)

	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: "q"}, chain, 100)
	if err != nil {
		t.Fatal(err)
	}
	<-killAt
	if err := syscall.Kill(s.Pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	awaitEvent(t, events, Restarted)
	var n int
	if err := run.Get(ctx, &n); err != nil || n != 100 {
		t.Errorf("got %d steps, %v; want the run to finish its 100", n, err)
	}
}
