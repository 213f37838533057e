package proc

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	logRate   = 2000        // lines per second that are forwarded
	logBurst  = 4000        // lines forwarded at once
	logBytes  = 4 << 20     // bytes per second that are forwarded
	logQueue  = logBurst    // lines waiting for a slow handler
	dropEvery = time.Second // at most this often a drop is reported
)

// forwarder hands the lines of one process to the host's logger and sink. It is
// bounded on both sides: more than logRate lines or logBytes bytes per second,
// or more than logQueue waiting ones, are dropped and counted, so that neither
// a flooding plugin nor a slow handler holds up anything else.
type forwarder struct {
	log  *slog.Logger
	sink io.Writer
	wake chan struct{} // there is something to do
	done chan struct{} // run has returned

	mu      sync.Mutex
	queue   []outputLine
	closed  bool
	dropped uint64
	lines   float64 // lines that may pass now
	bytes   float64 // bytes that may pass now
	last    time.Time
}

type outputLine struct {
	stream string
	text   []byte
}

func newForwarder(log *slog.Logger, sink io.Writer) *forwarder {
	return &forwarder{
		log: log, sink: sink,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
		last: time.Now(), lines: logBurst, bytes: logBytes,
	}
}

// offer takes a copy of the line, or drops it. It never blocks.
func (f *forwarder) offer(stream string, line []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	if f.allow(time.Now(), len(line)) && len(f.queue) < logQueue {
		f.queue = append(f.queue, outputLine{stream, append([]byte(nil), line...)})
		f.poke()
		return
	}
	if f.dropped++; f.dropped == 1 {
		f.poke()
	}
}

func (f *forwarder) poke() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// allow is a token bucket over lines and bytes; f.mu is held.
func (f *forwarder) allow(now time.Time, size int) bool {
	passed := now.Sub(f.last).Seconds()
	f.last = now
	f.lines = min(logBurst, f.lines+passed*logRate)
	f.bytes = min(logBytes, f.bytes+passed*logBytes)
	if f.lines < 1 || f.bytes < float64(size) {
		return false
	}
	f.lines--
	f.bytes -= float64(size)
	return true
}

// close lets run finish what is queued. It does not wait for it.
func (f *forwarder) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.poke()
}

// run forwards until close and reports drops at most every dropEvery.
func (f *forwarder) run() {
	defer close(f.done)
	var report <-chan time.Time
	for {
		select {
		case <-f.wake:
		case <-report:
			report = nil
			f.reportDrops()
		}
		f.mu.Lock()
		batch, closed, dropping := f.queue, f.closed, f.dropped > 0
		f.queue = nil
		f.mu.Unlock()
		for _, l := range batch {
			f.emit(l)
		}
		if closed {
			f.reportDrops()
			return
		}
		if dropping && report == nil {
			report = time.After(dropEvery)
		}
	}
}

func (f *forwarder) reportDrops() {
	f.mu.Lock()
	n := f.dropped
	f.dropped = 0
	f.mu.Unlock()
	if n > 0 {
		f.log.Warn("plugin output dropped: more than the host forwards",
			"dropped_lines", n, "limit_lines_per_second", logRate)
	}
}

func (f *forwarder) emit(l outputLine) {
	if f.sink != nil {
		// A sink that fails loses a line of log and nothing else; the logger
		// below still gets it.
		_, _ = f.sink.Write(append(l.text, '\n'))
	}
	rec := parseLine(l.text)
	if ctx, h := context.Background(), f.log.Handler(); h.Enabled(ctx, rec.Level) {
		rec.AddAttrs(slog.String("stream", l.stream))
		_ = h.Handle(ctx, rec)
	}
}
