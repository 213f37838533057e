package sdk

import (
	"context"
	"testing"
	"time"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// chatty is a stream on which every record that is sent brings another one, as
// goroutines do that an activity has left behind.
type chatty struct {
	a       *attempt
	verdict chan *pluginv1.ExecuteEvent
}

func (c *chatty) Send(e *pluginv1.ExecuteEvent) error {
	if e.GetLog() != nil {
		c.a.log(&pluginv1.Log{Message: "still here"})
	}
	if e.GetResult() != nil {
		c.verdict <- e
	}
	return nil
}

func TestWhatReportsAfterTheEndDoesNotHoldTheVerdictUp(t *testing.T) {
	c := &chatty{verdict: make(chan *pluginv1.ExecuteEvent, 1)}
	c.a = newAttempt(c, &pluginv1.Start{})
	def := Activity("noisy", "", func(ctx context.Context, _ struct{}) (string, error) {
		Logger(ctx).Info("begun")
		return "done", nil
	})
	ended := make(chan error, 1)
	go func() { ended <- c.a.run(t.Context(), &def) }()
	select {
	case err := <-ended:
		if err != nil || string((<-c.verdict).GetResult().GetOutput()[0].GetData()) != `"done"` {
			t.Errorf("got %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the activity has returned, but its verdict waits for those who still log")
	}
}
