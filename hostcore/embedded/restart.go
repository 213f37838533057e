package embedded

import "time"

// Restart says how a child that dies is started again.
type Restart struct {
	// Initial is the pause before the first restart, default 200 ms; it doubles
	// up to Max, default 10 s.
	Initial, Max time.Duration
	// Failures within Window end the supervision; default 5 in 2 minutes.
	Failures int
	Window   time.Duration
}

func (r Restart) complete() Restart {
	if r.Initial <= 0 {
		r.Initial = 200 * time.Millisecond
	}
	if r.Max <= 0 {
		r.Max = 10 * time.Second
	}
	if r.Failures <= 0 {
		r.Failures = 5
	}
	if r.Window <= 0 {
		r.Window = 2 * time.Minute
	}
	return r
}

// deaths counts the failures of the last Window.
type deaths struct {
	policy Restart
	at     []time.Time
}

// add counts a failure and returns the pause before the next start, or false
// when it was one too many.
func (d *deaths) add(now time.Time) (time.Duration, bool) {
	kept := d.at[:0]
	for _, t := range d.at {
		if now.Sub(t) < d.policy.Window {
			kept = append(kept, t)
		}
	}
	d.at = append(kept, now)
	if len(d.at) >= d.policy.Failures {
		return 0, false
	}
	pause := d.policy.Initial
	for range len(d.at) - 1 {
		pause = min(2*pause, d.policy.Max)
	}
	return pause, true
}
