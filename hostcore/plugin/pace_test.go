package plugin

import (
	"testing"
	"time"
)

func TestEventsBeyondTheRateWaitAndABurstDoesNot(t *testing.T) {
	start := time.Unix(0, 0)
	p := newPace(start)
	for n := range eventBurst {
		if d := p.wait(start); d != 0 {
			t.Fatalf("event %d of a burst waits %s", n, d)
		}
	}
	var last time.Duration
	for range eventRate {
		last = p.wait(start)
	}
	if last < 990*time.Millisecond || last > 1010*time.Millisecond {
		t.Errorf("the last of a second's worth of events too many waits %s, want about 1s", last)
	}
	if d := p.wait(start.Add(time.Minute)); d != 0 {
		t.Errorf("after a rest an event waits %s", d)
	}
}
