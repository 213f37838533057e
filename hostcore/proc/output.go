package proc

import (
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// DrainTime is how long output is still read after a process has exited, for a
// child of it that holds the pipe open.
const DrainTime = 500 * time.Millisecond

// output gathers everything one process prints: on the handshake pipe, stdout,
// stderr, and on the stdio stream that go-plugin's server puts behind the
// latter two once it serves.
type output struct {
	tail      tail
	fwd       *forwarder
	handshake chan string // the first handshake line
	claimed   atomic.Bool

	pumps sync.WaitGroup
	mu    sync.Mutex
	pipes []*os.File
}

func newOutput(fwd *forwarder) *output {
	return &output{fwd: fwd, handshake: make(chan string, 1)}
}

// writer makes the lines of one stream arrive. strict takes the first line for
// the handshake whatever it looks like: that is the private pipe.
func (o *output) writer(stream string, mayGreet, strict bool) *lineWriter {
	return &lineWriter{emit: func(line []byte) {
		if mayGreet && (strict || looksLikeHandshake(line)) && o.claimed.CompareAndSwap(false, true) {
			o.handshake <- string(line)
			return
		}
		o.tail.add(line)
		o.fwd.offer(stream, line)
	}}
}

// pump reads a pipe until its end or until drain gives up on it.
func (o *output) pump(pipe *os.File, w *lineWriter) {
	o.mu.Lock()
	o.pipes = append(o.pipes, pipe)
	o.mu.Unlock()
	o.pumps.Go(func() {
		_, _ = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{pipe}, make([]byte, 32<<10))
		_ = w.Close()
		_ = pipe.Close()
	})
}

// drain waits for the end of the output, at most DrainTime, and closes the
// pipes. A reader is never left behind.
func (o *output) drain() {
	o.mu.Lock()
	until := time.Now().Add(DrainTime)
	for _, p := range o.pipes {
		// The error says that the pump has closed its pipe already.
		_ = p.SetReadDeadline(until)
	}
	o.mu.Unlock()
	o.pumps.Wait()
	o.fwd.close()
}
