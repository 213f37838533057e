package shipper

import (
	"cmp"
	"slices"
	"time"
)

// State is what a shipper is doing.
type State string

// The states, in the order in which they follow each other.
const (
	Created  State = "created"  // not started
	Standby  State = "standby"  // another process holds the state folder
	Running  State = "running"  //
	Stopping State = "stopping" // delivering what was read
	Stopped  State = "stopped"  //
	Failed   State = "failed"   // could not begin; see Status.LastError
)

// Metrics are counters since Start, and a few gauges.
type Metrics struct {
	Records         uint64            // read from files
	LinesAcked      uint64            // records that the receiver took, or that were set aside; committed in order
	BytesAcked      uint64            // bytes of the files that they came from
	Batches         uint64            // requests that were accepted
	EncodedBytes    uint64            // their size before compression
	WireBytes       uint64            // and after
	Retries         map[string]uint64 // attempts that failed, by reason: http_429, http_503, connection, timeout, ...
	Refusals        map[string]uint64 // records in the dead-letter file, by reason: http_400, partial_success, too_old, ...
	Rotations       uint64            // files that were rotated away
	Truncations     uint64
	LostBytes       uint64 // known to have been deleted or truncated before they could be read
	Checkpoints     uint64
	CheckpointFails uint64

	LagBytes        int64         // all files: present and not acknowledged
	LagSeconds      float64       // the worst file
	DuplicatesBound uint64        // records that would be sent again if the process were killed now, at most
	OpenFiles       int           // descriptors held
	Files           int           // paths
	CheckpointEvery time.Duration // the interval in force
}

// FileStatus is one path.
type FileStatus struct {
	Path       string
	Attributes map[string]string
	Size       int64   // of the file the path leads to
	Offset     int64   // acknowledged
	Read       int64   // read; the difference to Offset is in flight
	LagBytes   int64   // rotated files included
	LagSeconds float64 // age of the oldest bytes that are not acknowledged, since they were noticed
	Lines      uint64  // acknowledged since Start
	Rotated    int     // rotated files that are still read
	Removing   bool
	Problem    string
}

// Status is a snapshot.
type Status struct {
	State           State
	Endpoint        string
	Since           time.Time // of State
	Files           []FileStatus
	Metrics         Metrics
	LastError       string // of the senders, or why the shipper failed
	LastErrorAt     time.Time
	CheckpointAt    time.Time
	CheckpointError string // of the last attempt; empty when it succeeded
	Notes           []string
}

// State is Status().State, without the trouble.
func (s *Shipper) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Status describes what the shipper is doing, files sorted by path.
func (s *Shipper) Status() Status {
	s.mu.Lock()
	st := Status{State: s.state, Since: s.since, Endpoint: s.o.Endpoint, CheckpointAt: s.savedAt}
	if s.saveErr != nil {
		st.CheckpointError = s.saveErr.Error()
	}
	st.Metrics.Checkpoints, st.Metrics.CheckpointFails = s.saves, s.saveFails
	durable, failed := s.savedLines, s.failed
	s.mu.Unlock()
	st.LastError, st.LastErrorAt = s.stats.fill(&st.Metrics)
	if failed != nil {
		st.LastError = failed.Error()
	}
	s.tail.status(&st, durable)
	st.Metrics.CheckpointEvery = s.checkpointEvery(len(st.Files))
	slices.SortFunc(st.Files, func(a, b FileStatus) int { return cmp.Compare(a.Path, b.Path) })
	return st
}

func (t *tailer) status(st *Status, durable uint64) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	c, m := t.commits, &st.Metrics
	c.mu.Lock()
	defer c.mu.Unlock()
	m.Records, m.LinesAcked, m.BytesAcked = t.recordsRead, c.lines, c.bytes
	m.Rotations, m.Truncations, m.LostBytes = t.rotations, t.truncations, t.lostBytes
	m.DuplicatesBound = t.recordsRead - durable
	m.OpenFiles, m.Files = len(t.open), len(t.sources)
	st.Notes = slices.Clone(t.notes)
	st.Files = make([]FileStatus, 0, len(t.sources))
	for _, src := range t.sources {
		f := FileStatus{Path: src.path, Attributes: src.st.attributes(), Removing: src.removing,
			Problem: src.problem}
		for _, inc := range src.incs {
			if inc == src.cur {
				f.Size, f.Offset, f.Read = inc.size, inc.acked, inc.read
			} else if !inc.closed {
				f.Rotated++
			}
			if lag := inc.size - inc.acked; lag > 0 {
				f.LagBytes += lag
				since := max(inc.behindSince, inc.ackRead)
				f.LagSeconds = max(f.LagSeconds, time.Duration(now.UnixNano()-since).Seconds())
			}
		}
		f.Lines += src.lines
		m.LagBytes += f.LagBytes
		m.LagSeconds = max(m.LagSeconds, f.LagSeconds)
		st.Files = append(st.Files, f)
	}
}
