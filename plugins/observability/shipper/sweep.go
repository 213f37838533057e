package shipper

import "time"

// ring visits its sources in turn, each once per period, in small portions.
type ring struct {
	items  []*source
	at     int
	period time.Duration // for all of them, at least
	rate   float64       // visits per second, at most
	last   time.Time
	credit float64
}

const (
	sweepStep  = 50 * time.Millisecond
	sweepBurst = 256
)

func (r *ring) perSecond() float64 { return min(float64(len(r.items))/r.period.Seconds(), r.rate) }

// due returns the sources to visit now. A source that was taken out is nobody's any more.
func (r *ring) due(now time.Time, visit func(*source)) {
	if len(r.items) == 0 {
		r.last, r.credit = now, 0
		return
	}
	if !r.last.IsZero() {
		r.credit += now.Sub(r.last).Seconds() * r.perSecond()
	}
	r.last = now
	r.credit = min(r.credit, float64(len(r.items)))
	for n := 0; r.credit >= 1 && n < sweepBurst && len(r.items) > 0; n++ {
		r.credit--
		if r.at >= len(r.items) {
			r.at = 0
		}
		visit(r.items[r.at])
		r.at++
	}
}

// next says how long it may take until the next visit is due.
func (r *ring) next() time.Duration {
	if len(r.items) == 0 {
		return time.Hour
	}
	return max(sweepStep, time.Duration((1-r.credit)/r.perSecond()*float64(time.Second)))
}

func (r *ring) add(s *source) {
	s.ring, s.ringAt = r, len(r.items)
	r.items = append(r.items, s)
}

func (r *ring) remove(s *source) {
	last := len(r.items) - 1
	r.items[s.ringAt] = r.items[last]
	r.items[s.ringAt].ringAt = s.ringAt
	r.items[last] = nil
	r.items = r.items[:last]
	s.ring = nil
}
