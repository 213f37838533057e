package bridge

import "time"

const (
	logRate  = 1000 // records of one attempt per second that are written
	logBurst = 2000
	// beatEvery is how often at most a heartbeat is recorded. The worker sends
	// one a second; more than that only costs time.
	beatEvery = 200 * time.Millisecond
	// maxDetails is the most that heartbeat details may have, in bytes, by the
	// server's limit for one payload.
	maxDetails = 2 << 20
	// maxResult is the most that an answer may have, in bytes: gRPC servers take
	// 4 MiB, and the answer has an envelope. The server's own limit for a payload
	// is 2 MiB unless it is raised there; it refuses what is between.
	maxResult = 4<<20 - 64<<10
)

// logBucket bounds the log records of an attempt.
type logBucket struct {
	room    float64
	last    time.Time
	dropped uint64
}

// take says whether a record may be written, and how many were dropped before it.
func (b *logBucket) take(now time.Time) (ok bool, dropped uint64) {
	if b.last.IsZero() {
		b.room = logBurst
	} else {
		b.room = min(logBurst, b.room+now.Sub(b.last).Seconds()*logRate)
	}
	b.last = now
	if b.room < 1 {
		b.dropped++
		return false, 0
	}
	b.room--
	dropped, b.dropped = b.dropped, 0
	return true, dropped
}
