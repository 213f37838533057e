package embedded

import (
	"bytes"
	"sync"
)

const ringSize = 16 << 10

// ring keeps the last ringSize bytes written to it.
type ring struct {
	mu  sync.Mutex
	buf []byte
	cut bool
}

// Write never fails.
func (r *ring) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.buf = append(r.buf, p...)
	if over := len(r.buf) - ringSize; over > 0 {
		r.buf = append(r.buf[:0], r.buf[over:]...)
		r.cut = true
	}
	return len(p), nil
}

// String is the kept text from the first whole line on.
func (r *ring) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.buf
	if r.cut {
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			b = b[i+1:]
		}
	}
	return string(b)
}
