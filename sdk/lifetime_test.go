package sdk_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orch-host/orch/sdk"
	"github.com/orch-host/orch/sdk/sdktest"
)

func TestAHarnessSendsAttemptsToAPluginThatIsReadyOnly(t *testing.T) {
	var asked atomic.Int32
	p := plugin(sdk.Activity("asked", "", func(context.Context, struct{}) (int32, error) { return asked.Load(), nil }))
	p.Ready = func(context.Context) error {
		if asked.Add(1) < 2 {
			return errors.New("warming up")
		}
		return nil
	}
	if got := string(sdktest.Start(t, p).Run("asked").Result); got != "2" {
		t.Errorf("the attempt ran when Ready had been asked %s times", got)
	}
}

func TestAHarnessClosesThePluginWhenItsAttemptsHaveEnded(t *testing.T) {
	var ended, closedAfter atomic.Bool
	started := make(chan struct{})
	t.Run("a test that leaves an attempt running", func(t *testing.T) {
		p := plugin(sdk.Activity("wait", "", func(ctx context.Context, _ struct{}) (string, error) {
			close(started)
			<-ctx.Done()
			_, cancel := sdk.Cleanup(ctx)
			defer cancel()
			time.Sleep(50 * time.Millisecond) // as long as cleaning up takes
			ended.Store(true)
			return "", ctx.Err()
		}))
		p.Close = func(context.Context) error { closedAfter.Store(ended.Load()); return nil }
		sdktest.Start(t, p).Begin(sdktest.Call{Activity: "wait"})
		<-started
	})
	if !closedAfter.Load() {
		t.Error("Close ran while an attempt did")
	}
}

func TestAnAttemptCanBeWaitedForTwice(t *testing.T) {
	h := sdktest.Start(t, plugin(sdk.Activity("a", "", func(context.Context, struct{}) (string, error) { return "done", nil })))
	a := h.Begin(sdktest.Call{Activity: "a", Args: []any{struct{}{}}})
	first := a.Wait()
	again := make(chan sdktest.Outcome, 1)
	go func() { again <- a.Wait() }()
	select {
	case second := <-again:
		if string(second.Result) != string(first.Result) {
			t.Errorf("got %s, then %s", first.Result, second.Result)
		}
	case <-time.After(5 * time.Second):
		t.Error("the second Wait never returned")
	}
}
