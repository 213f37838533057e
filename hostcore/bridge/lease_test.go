package bridge

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// untilCancelled is an execution that ends when it is asked to, and notes how.
func untilCancelled(got *pluginv1.Cancel) func(stream) error {
	return func(s stream) error {
		for {
			req, err := s.Recv()
			if err != nil {
				return err
			}
			if c := req.GetCancel(); c != nil {
				got.Reason, got.Grace = c.GetReason(), c.GetGrace()
				return s.Send(&pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Failure{Failure: &pluginv1.Failure{Message: "given up", Canceled: true}}})
			}
		}
	}
}

func TestAnAttemptIsGivenUpBeforeTheServerGivesItToAnotherHost(t *testing.T) {
	began := time.Now()
	var asked atomic.Int32
	lease := func([]byte) (time.Time, time.Duration, bool) {
		end := began.Add(1200 * time.Millisecond)
		if asked.Add(1) > 1 {
			end = end.Add(500 * time.Millisecond) // a heartbeat has arrived meanwhile
		}
		return end, 2 * time.Second, true
	}
	var got pluginv1.Cancel
	_, _, err := call(t, Options{Lease: lease, Grace: time.Minute}, untilCancelled(&got), nil)
	took := time.Since(began)
	var application *temporal.ApplicationError
	if !errors.As(err, &application) || application.Type() != typeLost || application.NonRetryable() || !strings.Contains(err.Error(), "has not heard from this host for 1.6s") {
		t.Errorf("%v", err)
	}
	if outcome(err) != "interrupted" {
		t.Errorf("counted as %s", outcome(err))
	}
	if took < 1300*time.Millisecond || got.Reason != pluginv1.Cancel_TIMEOUT || got.Grace.AsDuration() > 400*time.Millisecond {
		t.Errorf("cancelled after %s for %s, with a grace of %s", took, got.Reason, got.Grace.AsDuration())
	}
}
