package proc

import (
	"bytes"
	"sync"
)

const (
	ringSize    = 64 << 10 // output kept of a process
	crashSize   = 16 << 10 // output kept from the last panic on
	excerptSize = 4 << 10  // output attached to an error
)

const pythonCrash = "Traceback (most recent call last)"

// crashMarks begin the text by which a runtime says why it dies.
var crashMarks = [...][]byte{
	[]byte("panic: "), []byte("fatal error: "), []byte(pythonCrash),
	[]byte("SIGSEGV: "), []byte("SIGBUS: "), []byte("SIGABRT: "), []byte("SIGFPE: "), []byte("SIGILL: "),
}

func isCrash(line []byte) bool {
	for _, m := range crashMarks {
		if bytes.HasPrefix(line, m) {
			return true
		}
	}
	return false
}

// tail keeps the end of a process's output, and from the last panic on its
// beginning: a dump of a thousand goroutines would push the reason out.
type tail struct {
	mu    sync.Mutex
	ring  []byte // grows to ringSize, then wraps at next
	next  int
	crash []byte
}

// add appends one line, given without its newline.
func (t *tail) add(line []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case isCrash(line) && !chained(t.crash, line):
		t.crash = append(t.crash[:0], line...)
		t.crash = append(t.crash, '\n')
	case t.crash != nil && len(t.crash)+len(line) < crashSize:
		t.crash = append(t.crash, line...)
		t.crash = append(t.crash, '\n')
	}
	t.push(line)
	t.push([]byte{'\n'})
}

// chained says whether line goes on with a panic that was just begun: a panic
// in a deferred call prints a second "panic: " below the first, and a fatal
// error its "panic: " header.
func chained(crash, line []byte) bool {
	return len(crash) > 0 && len(crash) < 1<<10 && !bytes.Contains(crash, []byte("\ngoroutine ")) &&
		!bytes.HasPrefix(line, []byte(pythonCrash))
}

func (t *tail) push(p []byte) {
	if len(p) > ringSize {
		p = p[len(p)-ringSize:]
	}
	if room := ringSize - len(t.ring); room > 0 {
		n := min(room, len(p))
		t.ring = append(t.ring, p[:n]...)
		p = p[n:]
	}
	for len(p) > 0 {
		n := copy(t.ring[t.next:], p)
		p = p[n:]
		t.next = (t.next + n) % ringSize
	}
}

// String returns everything kept, oldest first.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.ring[t.next:]) + string(t.ring[:t.next])
}

// excerpt returns what belongs to an error: the last panic from its first line,
// else the last lines.
func (t *tail) excerpt() string {
	t.mu.Lock()
	crash := string(t.crash)
	t.mu.Unlock()
	if crash != "" {
		return shorten(crash, excerptSize)
	}
	all := t.String()
	if len(all) <= excerptSize {
		return all
	}
	all = all[len(all)-excerptSize:]
	if i := bytes.IndexByte([]byte(all), '\n'); i >= 0 && i < len(all)-1 {
		all = all[i+1:]
	}
	return all
}
