package supervisor

import "time"

// quarantine remembers digests that failed too often, and recent failures.
type quarantine struct {
	limits   Limits
	until    map[string]time.Time
	failures map[string][]time.Time
}

func newQuarantine(l Limits) *quarantine {
	return &quarantine{limits: l, until: map[string]time.Time{}, failures: map[string][]time.Time{}}
}

// failed notes a failure and says whether it was one too many.
func (q *quarantine) failed(digest string, now time.Time) bool {
	recent := q.failures[digest][:0]
	for _, t := range q.failures[digest] {
		if now.Sub(t) < q.limits.FailureWindow {
			recent = append(recent, t)
		}
	}
	recent = append(recent, now)
	q.failures[digest] = recent
	if len(recent) < q.limits.MaxFailures {
		return false
	}
	q.put(digest, now)
	return true
}

func (q *quarantine) put(digest string, now time.Time) {
	q.until[digest] = now.Add(q.limits.QuarantineTime)
	delete(q.failures, digest)
}

func (q *quarantine) lift(digest string) {
	delete(q.until, digest)
	delete(q.failures, digest)
}

// ends is when the digest may be tried again; the zero time: now.
func (q *quarantine) ends(digest string, now time.Time) time.Time {
	if t, ok := q.until[digest]; ok && now.Before(t) {
		return t
	}
	return time.Time{}
}
