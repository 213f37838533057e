package shipper

import (
	"log/slog"
	"maps"
	"sync"
	"time"
)

// stats counts what the senders do.
type stats struct {
	log *slog.Logger

	mu        sync.Mutex
	batches   uint64
	rawBytes  uint64
	wireBytes uint64
	retries   map[string]uint64
	refusals  map[string]uint64
	lastError string
	lastAt    time.Time
	logged    time.Time
	muted     int
}

func newStats(log *slog.Logger) *stats {
	return &stats{log: log, retries: map[string]uint64{}, refusals: map[string]uint64{}}
}

func (s *stats) sent(raw, wire int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches++
	s.rawBytes += uint64(raw)
	s.wireBytes += uint64(wire)
}

func (s *stats) retried(reason, detail string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retries[reason]++
	s.trouble("request is tried again", reason, detail)
}

func (s *stats) refuse(reason string, records int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusals[reason] += uint64(records)
	s.trouble("records were refused and set aside in the dead-letter file", reason, "")
}

// trouble remembers the last error and logs at most once in ten seconds: a receiver that is down must not fill a log
// that may be tailed itself.
func (s *stats) trouble(what, reason, detail string) {
	now := time.Now()
	s.lastAt = now
	if s.lastError = reason; detail != "" {
		s.lastError += ": " + detail
	}
	if now.Sub(s.logged) < 10*time.Second {
		s.muted++
		return
	}
	s.log.Warn("log shipping: "+what, "reason", reason, "detail", detail, "muted", s.muted)
	s.logged, s.muted = now, 0
}

func (s *stats) fill(m *Metrics) (lastError string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.Batches, m.EncodedBytes, m.WireBytes = s.batches, s.rawBytes, s.wireBytes
	m.Retries, m.Refusals = maps.Clone(s.retries), maps.Clone(s.refusals)
	return s.lastError, s.lastAt
}
