package proc

import (
	"bytes"
	"fmt"
	"sync"
)

// MaxLine is the longest line of output that is kept whole, in bytes; the rest
// of a longer one is skipped and a mark tells how much that was.
const MaxLine = 32 << 10

// lineWriter splits a byte stream into lines without ever refusing or blocking
// on a long one. It may be written by several goroutines.
type lineWriter struct {
	mu      sync.Mutex
	emit    func(line []byte) // line is only valid during the call
	partial []byte
	cut     int // bytes of the current line beyond MaxLine
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			w.hold(p)
			return n, nil
		}
		if len(w.partial) == 0 && w.cut == 0 && i <= MaxLine {
			w.emit(bytes.TrimSuffix(p[:i], []byte{'\r'}))
		} else {
			w.hold(p[:i])
			w.flush()
		}
		p = p[i+1:]
	}
}

// Close emits what stood after the last newline.
func (w *lineWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.partial) > 0 || w.cut > 0 {
		w.flush()
	}
	return nil
}

func (w *lineWriter) hold(p []byte) {
	room := min(MaxLine-len(w.partial), len(p))
	w.partial = append(w.partial, p[:room]...)
	w.cut += len(p) - room
}

func (w *lineWriter) flush() {
	line := w.partial
	if w.cut > 0 {
		line = fmt.Appendf(line, " [cut: %d bytes more]", w.cut)
	}
	w.emit(bytes.TrimSuffix(line, []byte{'\r'}))
	w.partial, w.cut = w.partial[:0], 0
	if cap(w.partial) > MaxLine/4 {
		w.partial = nil
	}
}
