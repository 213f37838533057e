package shipper

import (
	"sync"
	"time"
)

// committer moves the files' offsets forward, in the order in which the batches were read, whatever order they were
// acknowledged in. Its lock is the inner one: it may be taken while the tailer's is held, never the other way round.
type committer struct {
	mu      sync.Mutex
	next    uint64
	waiting map[uint64]*batch
	free    chan<- *batch

	version uint64 // counts changes, so that an idle shipper writes no checkpoints
	lines   uint64 // acknowledged
	bytes   uint64 // of the files, acknowledged
	ahead   int    // lines acknowledged that wait for an earlier batch
}

func newCommitter(free chan<- *batch) *committer {
	return &committer{waiting: map[uint64]*batch{}, free: free}
}

// done takes a batch that was delivered.
func (c *committer) done(b *batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting[b.seq] = b
	c.ahead += len(b.records)
	for b = c.waiting[c.next]; b != nil; b = c.waiting[c.next] {
		delete(c.waiting, c.next)
		c.next++
		c.version++
		c.ahead -= len(b.records)
		for i := range b.spans {
			s := &b.spans[i]
			c.lines += uint64(s.lines)
			c.bytes += uint64(s.bytes)
			s.inc.commit(s, b.begun)
		}
		b.reset()
		c.free <- b
	}
}

// commit is called with the committer's lock held.
func (inc *incarnation) commit(s *span, begun time.Time) {
	inc.acked, inc.ackGuard, inc.ackRead = s.end, s.guard, begun.UnixNano()
	inc.src.lines += uint64(s.lines)
	if f := inc.forward; f != nil && f.acked < s.end {
		f.acked, f.ackGuard = s.end, s.guard
	}
}
