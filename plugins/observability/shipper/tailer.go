package shipper

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// tailer owns all files. Its loop runs in one goroutine; mu lets others look and add while the loop is between steps.
type tailer struct {
	o       *Options
	enc     encoder
	watch   *watcher
	commits *committer
	free    chan *batch   // batches that nobody uses
	work    chan *batch   // to the senders; as long as there are batches, so handing over never blocks
	wake    chan struct{} // something changed
	quit    chan struct{} // closed by Stop

	mu            sync.Mutex
	active        bool // the checkpoint is loaded
	sources       map[string]*source
	keys          map[string]*source // by the names that the watcher reports
	byID          map[fileID]*incarnation
	open          map[*incarnation]struct{}
	tending       map[*source]struct{}
	known         *registry
	tick          uint64
	swept, polled ring
	queue         []*source
	names         map[string]struct{}
	sweepAll      bool
	lastFull      time.Time
	tended        time.Time

	cur          *batch
	seq          uint64
	chunk        chunk
	buf          []byte
	reader       reader
	rec          record
	observed     int64
	lines, bytes limiter

	recordsRead, lostBytes, rotations, truncations uint64
	notes                                          []string
}

const (
	usualChunk = 256 << 10
	tendEvery  = 100 * time.Millisecond
	maxNotes   = 32
)

func newTailer(o *Options, enc encoder) *tailer {
	batches := 2*o.Senders + 2
	t := &tailer{o: o, enc: enc, free: make(chan *batch, batches), work: make(chan *batch, batches),
		wake: make(chan struct{}, 1), quit: make(chan struct{}), sources: map[string]*source{}, keys: map[string]*source{},
		byID: map[fileID]*incarnation{}, open: map[*incarnation]struct{}{}, tending: map[*source]struct{}{},
		known: newRegistry(), names: map[string]struct{}{},
		swept:  ring{period: o.SweepInterval, rate: 2000},
		polled: ring{period: o.PollInterval, rate: 4000},
		buf:    make([]byte, guardBytes+max(usualChunk, 2*o.MaxRecordBytes+4096)),
		reader: reader{parser: parser{clock: clock{loc: o.Location}}},
		lines:  newLimiter(o.LinesPerSecond), bytes: newLimiter(o.BytesPerSecond)}
	for range batches {
		t.free <- &batch{enc: enc}
	}
	t.commits = newCommitter(t.free)
	return t
}

// poke wakes the loop.
func (t *tailer) poke() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// run reads until quit is closed, then hands over what it has and closes work.
func (t *tailer) run() {
	defer close(t.work)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		now := time.Now()
		t.mu.Lock()
		t.look(now)
		busy := t.readSome(now)
		if t.cur != nil && !t.cur.empty() && now.Sub(t.cur.begun) >= t.o.FlushInterval {
			t.handOver()
		}
		wait := t.patience(now)
		var free chan *batch
		if t.cur == nil && (t.chunk.inc != nil || len(t.queue) > 0) {
			free = t.free
		}
		t.mu.Unlock()
		if busy {
			select {
			case <-t.quit:
				t.finish()
				return
			default:
				continue
			}
		}
		timer.Reset(wait)
		select {
		case b := <-free:
			t.mu.Lock()
			t.cur = b
			t.mu.Unlock()
		case <-t.wake:
		case <-timer.C:
		case <-t.quit:
			t.finish()
			return
		}
	}
}

func (t *tailer) finish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cur != nil && !t.cur.empty() {
		t.handOver()
	}
}

// look takes in what the watcher saw, visits what the sweeps say is due, and tends to what needs it.
func (t *tailer) look(now time.Time) {
	names, overflow := t.watch.drain(t.names)
	for name := range names {
		if src := t.keys[name]; src != nil {
			t.resync(src, now)
		}
	}
	clear(names)
	t.names = names
	t.sweepAll = t.sweepAll || overflow
	if t.sweepAll && now.Sub(t.lastFull) >= tendEvery {
		t.sweepAll, t.lastFull = false, now
		for _, src := range t.sources {
			t.resync(src, now)
		}
	}
	visit := func(src *source) { t.resync(src, now) }
	t.swept.due(now, visit)
	t.polled.due(now, visit)
	if len(t.tending) > 0 && now.Sub(t.tended) >= tendEvery {
		t.tended = now
		for src := range t.tending {
			t.tendTo(src, now)
		}
	}
}

// patience is how long the loop may sleep when nothing happens.
func (t *tailer) patience(now time.Time) time.Duration {
	d := min(t.swept.next(), t.polled.next())
	if len(t.tending) > 0 || t.sweepAll {
		d = min(d, tendEvery)
	}
	if t.cur != nil && !t.cur.empty() {
		d = min(d, t.o.FlushInterval-now.Sub(t.cur.begun))
	}
	if len(t.queue) > 0 || t.chunk.inc != nil {
		if w := max(t.lines.wait(now), t.bytes.wait(now)); w > 0 {
			d = min(d, w)
		}
	}
	return max(d, time.Millisecond)
}

// handOver gives the current batch to the senders.
func (t *tailer) handOver() {
	t.cur.seq = t.seq
	t.seq++
	t.work <- t.cur
	t.cur = nil
}

func (t *tailer) enqueue(src *source) {
	if !src.queued {
		src.queued = true
		t.queue = append(t.queue, src)
	}
}

func (t *tailer) tend(src *source) { t.tending[src] = struct{}{} }

// tendTo releases lines that were held back long enough, watches rotated files, and lets go of what is finished.
func (t *tailer) tendTo(src *source, now time.Time) {
	busy := src.unseen != nil
	if busy {
		t.seekUnseen(src, now)
	}
	for _, inc := range slices.Clone(src.incs) {
		switch {
		case inc.closed:
			busy = !t.settle(inc, stateFinished, now) || busy
		case t.chunk.inc == inc:
			busy = true // its last chunk is not used up yet
		case inc.more:
			busy = true
			t.enqueue(src) // after an error it is in no queue
		case !inc.rotated.IsZero():
			busy = true
			t.tendRotated(inc, now)
		case !inc.heldSince.IsZero():
			busy = true
			if d := t.patienceWith(inc); d >= 0 && now.Sub(inc.heldSince) >= d {
				inc.flush = true
				t.ready(inc)
			}
		}
	}
	if src.removing {
		if t.removed(src, now) {
			delete(t.tending, src)
		}
		return
	}
	if !busy {
		delete(t.tending, src)
	}
}

// patienceWith is how long what inc holds back may wait for the rest of it; negative is for good.
func (t *tailer) patienceWith(inc *incarnation) time.Duration {
	if m := inc.src.st.multi; m != nil && inc.heldLine {
		return m.timeout
	}
	return t.o.PartialTimeout
}

func (t *tailer) tendRotated(inc *incarnation, now time.Time) {
	if !t.ensureOpen(inc) {
		t.lose(inc)
		return
	}
	if st, err := statFD(inc.fd); err == nil {
		t.grow(inc, st, now)
	}
	if inc.more || inc.fd < 0 || now.Sub(inc.grew) < t.o.RotatedGrace {
		return
	}
	if !inc.heldSince.IsZero() && !inc.src.removing {
		inc.flush = true // its last line will not be completed any more
		t.ready(inc)
		return
	}
	t.letGo(inc)
}

// settle takes inc out when all that was read of it is acknowledged, and remembers where that was.
func (t *tailer) settle(inc *incarnation, state entryState, now time.Time) bool {
	t.commits.mu.Lock()
	settled := inc.acked >= inc.read
	e := inc.entry(state)
	if settled {
		t.commits.version++
	}
	t.commits.mu.Unlock()
	if !settled {
		return false
	}
	e.Seen = now.UnixNano()
	t.known.put(e)
	t.drop(inc)
	return true
}

// entry describes inc for the checkpoint. committer.mu is held.
func (inc *incarnation) entry(state entryState) entry {
	return entry{Path: pathString(inc.src.path), At: pathString(inc.path), Dev: inc.id.Dev, Ino: inc.id.Ino, Birth: inc.birth,
		Head: inc.head, Offset: inc.acked, Guard: inc.ackGuard, State: state, Seen: inc.src.seen.UnixNano()}
}

// note keeps a remark for people: in the log and in the status.
func (t *tailer) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	t.o.Logger.Warn("log shipping: " + text)
	if len(t.notes) == maxNotes {
		t.notes = slices.Delete(t.notes, 0, 1)
	}
	t.notes = append(t.notes, time.Now().UTC().Format(time.RFC3339)+" "+text)
}
