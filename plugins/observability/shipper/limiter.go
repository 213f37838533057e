package shipper

import "time"

// limiter is a token bucket that may go into debt: a batch is taken whole and paid for afterwards.
type limiter struct {
	perSecond float64 // 0 = unlimited
	tokens    float64
	last      time.Time
}

func newLimiter(perSecond int) limiter { return limiter{perSecond: float64(perSecond)} }

// wait says how long to wait before more may be taken.
func (l *limiter) wait(now time.Time) time.Duration {
	if l.perSecond == 0 {
		return 0
	}
	if !l.last.IsZero() {
		l.tokens += now.Sub(l.last).Seconds() * l.perSecond
	}
	l.tokens = min(l.tokens, max(1, l.perSecond/10)) // a pause earns a tenth of a second's worth
	l.last = now
	if l.tokens >= 0 {
		return 0
	}
	return time.Duration(-l.tokens/l.perSecond*float64(time.Second)) + time.Millisecond
}

func (l *limiter) take(n int) {
	if l.perSecond > 0 {
		l.tokens -= float64(n)
	}
}
