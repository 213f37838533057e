package shipper

import (
	"time"
)

// chunk is what was read of a file and not yet cut into records.
type chunk struct {
	inc   *incarnation // nil: there is none
	st    *settings
	data  []byte // within the tailer's buffer, behind the guard bytes
	lead  int    // guard bytes before data in the buffer
	pos   int
	eof   bool
	flush bool
}

// left is how much of inc the chunk still holds.
func (c *chunk) left(inc *incarnation) int {
	if c.inc != inc {
		return 0
	}
	return len(c.data) - c.pos
}

// readSome takes one step: it fills at most one batch from at most one chunk. It says whether there may be more to do.
func (t *tailer) readSome(now time.Time) bool {
	if t.lines.wait(now) > 0 || t.bytes.wait(now) > 0 {
		return false
	}
	if t.cur == nil {
		if t.chunk.inc == nil && len(t.queue) == 0 {
			return false
		}
		select {
		case t.cur = <-t.free:
		default:
			return false
		}
	}
	if t.chunk.inc == nil && !t.nextChunk(now) {
		return len(t.queue) > 0
	}
	t.consume(now)
	return true
}

// nextChunk reads from the file that has waited longest. Of one path, the oldest file is read first.
func (t *tailer) nextChunk(now time.Time) bool {
	if len(t.queue) == 0 {
		return false
	}
	src := t.queue[0]
	t.queue[0] = nil
	if t.queue = t.queue[1:]; len(t.queue) == 0 {
		t.queue = t.queue[:0:0]
	}
	src.queued = false
	for _, inc := range src.incs {
		if inc.more && !inc.closed {
			return t.fill(inc, now)
		}
	}
	return false
}

// fill reads a chunk of inc together with the guard bytes before it.
func (t *tailer) fill(inc *incarnation, now time.Time) bool {
	inc.more = false
	if !t.ensureOpen(inc) {
		if inc.rotated.IsZero() {
			if t.resync(inc.src, now); inc.src.cur == inc { // no, the path does not lead elsewhere
				inc.src.problem = "cannot be opened"
				inc.more = true
				t.tend(inc.src)
			}
		} else {
			t.lose(inc)
		}
		return false
	}
	if inc.read > 0 && inc.head.N < fingerprintBytes && !t.extendHead(inc) {
		t.rewritten(inc, now)
		return false
	}
	if inc.truncated {
		if from := dataStart(inc.fd); inc.read == 0 && from < inc.size {
			inc.read = from // a writer that does not append leaves a hole
			t.commits.mu.Lock()
			inc.acked = from
			t.commits.mu.Unlock()
			t.extendHead(inc)
		}
	}
	want := usualChunk
	if inc.long {
		want = len(t.buf) - guardBytes
	}
	if inc.limit > 0 {
		want = int(min(int64(want), max(0, inc.limit-inc.read)))
	}
	lead := inc.guard.N
	n, err := pread(inc.fd, t.buf[:lead+want], inc.read-int64(lead))
	if err != nil {
		inc.src.problem = err.Error()
		t.closeFD(inc)
		inc.more = true
		t.tend(inc.src)
		return false
	}
	if n < lead || !inc.guard.matches(t.buf[:n]) || (inc.read == 0 && !inc.head.matches(t.buf[:n])) {
		t.rewritten(inc, now)
		return false
	}
	if inc.read == 0 { // the fingerprint is of the very bytes that are shipped
		inc.head = digestOf(t.buf[:min(n, fingerprintBytes)])
	}
	t.chunk = chunk{inc: inc, st: inc.src.st, data: t.buf[lead:n], lead: lead, eof: n < lead+want || (inc.limit > 0 && inc.read+int64(want) >= inc.limit)}
	if inc.truncated {
		same := beginsLike(inc.fd)
		if n > lead {
			same = continuesAt(inc.fd, t.buf[lead:n], inc.read)
			inc.truncated = false
		}
		t.adoptUnseen(inc.src, inc.path, same, inc.verified, now)
	}
	if !inc.truncated {
		inc.verified, inc.sure = now, inc.size
	}
	t.chunk.flush = inc.flush && t.chunk.eof && (inc.heldSize == int64(n-lead) || !inc.rotated.IsZero())
	inc.flush = false
	if inc.size < inc.read+int64(n-lead) {
		inc.size = inc.read + int64(n-lead)
	}
	t.reader.parser.now = now
	return true
}

// extendHead makes the fingerprint of a file that is still short longer; false when its beginning has changed.
func (t *tailer) extendHead(inc *incarnation) bool {
	n, err := pread(inc.fd, t.buf[:fingerprintBytes], 0)
	if err != nil {
		return true // reading will fail as well and say so
	}
	if !inc.head.matches(t.buf[:n]) {
		return false
	}
	inc.head = digestOf(t.buf[:n])
	return true
}

// consume cuts the chunk into records until it is used up or the batch is full.
func (t *tailer) consume(now time.Time) {
	c, b := &t.chunk, t.cur
	inc := c.inc
	if b.empty() {
		b.begun = now
	}
	sp := splitter{max: t.o.MaxRecordBytes, flush: c.flush}
	from, lines, full := c.pos, 0, false
	for !full {
		next, ok := t.reader.next(c.st, sp, c.data, c.pos, &inc.part, &t.rec)
		if !ok {
			break
		}
		t.emit(b, c, now, inc.read+int64(c.pos-from))
		c.pos = next
		lines++
		full = len(b.records) >= t.o.BatchLines || len(b.buf) >= t.o.BatchBytes || len(b.aside) >= t.o.BatchLines
	}
	if took := c.pos - from; took > 0 {
		inc.read += int64(took)
		upTo := c.lead + c.pos
		inc.guard = digestOf(t.buf[upTo-min(guardBytes, upTo, int(min(inc.read, guardBytes))) : upTo])
		b.reached(inc, inc.read, inc.guard, lines, int64(took))
		t.recordsRead += uint64(lines)
		t.lines.take(lines)
		t.bytes.take(took)
	}
	if full {
		t.handOver()
	}
	if !full || c.pos == len(c.data) {
		t.endChunk(now)
	}
}

// endChunk decides when the file is read again.
func (t *tailer) endChunk(now time.Time) {
	c := t.chunk
	inc, rest := c.inc, len(c.data)-c.pos
	t.chunk = chunk{}
	if !c.eof {
		inc.more = true
		if c.pos > 0 {
			inc.long = false
		} else if !inc.long {
			inc.long = true
		} else if !c.flush { // a record that does not fit in the buffer is cut
			t.chunk = c
			t.chunk.flush = true
			return
		}
	} else if inc.long = false; rest == 0 {
		inc.heldSince, inc.heldSize = time.Time{}, 0
	} else {
		if inc.heldSince.IsZero() || inc.heldSize != int64(rest) || c.pos > 0 {
			inc.heldSince = now
		}
		inc.heldSize, inc.heldLine = int64(rest), c.data[len(c.data)-1] == '\n'
		t.tend(inc.src)
	}
	if inc.closed {
		return
	}
	for _, other := range inc.src.incs {
		if other.more && !other.closed {
			t.enqueue(inc.src)
			break
		}
	}
}

// emit adds the current record to the batch under the right time.
func (t *tailer) emit(b *batch, c *chunk, now time.Time, offset int64) {
	r, inc := &t.rec, c.inc
	if r.hole {
		return
	}
	t.observed = max(t.observed+1, now.UnixNano()) // each record has its own, so that their order can be restored
	switch {
	case r.part == 1:
		inc.split = &splitLine{r.time, r.severity, string(r.severityText)}
	case r.part > 1 && inc.split != nil:
		r.time, r.severity, r.severityText = inc.split.time, inc.split.severity, []byte(inc.split.text)
	}
	if age := now.UnixNano() - r.time; r.time != 0 && t.o.TooOld.After > 0 && (age > int64(t.o.TooOld.After) || age < -int64(tooNew)) {
		if age > 0 && t.o.TooOld.Action == TooOldSetAside {
			b.aside = append(b.aside, setAside{"too_old", inc.src.path, offset, string(r.body)})
			return
		}
		r.original, r.time = r.time, 0
	}
	if r.time == 0 {
		r.time = t.observed
	}
	b.add(c.st, r, offset, t.observed)
}
