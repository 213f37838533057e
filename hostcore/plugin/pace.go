package plugin

import (
	"context"
	"time"
)

const (
	eventRate  = 20000 // events of one attempt per second that the host reads
	eventBurst = 5000
)

// pace is how fast the events of one attempt are read. A plugin that sends more
// is slowed down by the flow control of its stream, so that it costs the host
// no more than this; the SDK drops log records and coalesces heartbeats then.
type pace struct {
	room float64
	last time.Time
}

func newPace(now time.Time) *pace { return &pace{room: eventBurst, last: now} }

// wait is how long the next event has to wait.
func (p *pace) wait(now time.Time) time.Duration {
	p.room = min(eventBurst, p.room+now.Sub(p.last).Seconds()*eventRate)
	p.last = now
	p.room--
	if p.room >= 0 {
		return 0
	}
	return time.Duration(-p.room / eventRate * float64(time.Second))
}

// next waits for the turn of one event, or for ctx to end.
func (p *pace) next(ctx context.Context) {
	d := p.wait(time.Now())
	if d < time.Millisecond { // less is not worth a timer; it adds up
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
