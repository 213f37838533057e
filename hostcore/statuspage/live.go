package statuspage

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	pollEvery    = 2 * time.Second
	pollTimeout  = 10 * time.Second
	writeTimeout = 10 * time.Second
	maxReaders   = 200
)

// live sends the latest rendering to everybody who looks.
type live struct {
	render func(context.Context) rendering
	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{}
	poller sync.WaitGroup

	mu      sync.Mutex
	readers map[chan rendering]bool
	last    rendering
	polling bool
}

func newLive(render func(context.Context) rendering) *live {
	l := &live{render: render, wake: make(chan struct{}, 1), readers: map[chan rendering]bool{}}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// now has the poller ask at once.
func (l *live) now() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *live) close() {
	l.mu.Lock()
	l.cancel() // from here on nobody joins, so that no poller begins that Wait would miss
	l.mu.Unlock()
	l.poller.Wait()
}

// join adds a reader; the first one starts the poller. nil when there are too
// many, or the host ends.
func (l *live) join() chan rendering {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.readers) >= maxReaders || l.ctx.Err() != nil {
		return nil
	}
	c := make(chan rendering, 1)
	l.readers[c] = true
	if !l.polling {
		l.polling = true
		l.poller.Go(l.poll)
	} else if l.last.read != nil {
		c <- l.last
	}
	return c
}

func (l *live) leave(c chan rendering) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.readers, c)
	l.now() // the poller ends with the last reader
}

// poll renders while somebody looks.
func (l *live) poll() {
	for {
		ctx, cancel := context.WithTimeout(l.ctx, pollTimeout)
		next := l.render(ctx)
		cancel()
		l.mu.Lock()
		if len(l.readers) == 0 || l.ctx.Err() != nil {
			l.polling, l.last = false, rendering{}
			l.mu.Unlock()
			return
		}
		if !bytes.Equal(next.read, l.last.read) {
			l.last = next
			for c := range l.readers {
				select { // the latest one only: what was not taken is old
				case <-c:
				default:
				}
				c <- next
			}
		}
		l.mu.Unlock()
		select {
		case <-time.After(pollEvery):
		case <-l.wake:
		case <-l.ctx.Done():
		}
	}
}

// lineEnds makes LF of what an event stream takes for the end of a line besides: a
// bare CR in a text would cut the rest of its line off.
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// serve is the stream of events of one reader; with buttons for one with a
// session. It ends with the session that it began with.
func (l *live) serve(w http.ResponseWriter, r *http.Request, all *sessions) {
	s := all.of(r)
	c := l.join()
	if c == nil {
		http.Error(w, "too many readers", http.StatusServiceUnavailable)
		return
	}
	defer l.leave(c)
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	beat := time.NewTicker(15 * time.Second)
	defer beat.Stop()
	for {
		var text bytes.Buffer
		select {
		case <-l.ctx.Done():
			return
		case <-r.Context().Done():
			return
		case <-beat.C:
			text.WriteString(": still here\n\n")
		case next := <-c:
			if all.of(r) != s {
				return // the browser asks again, as whoever it is now
			}
			state := next.read
			if s != nil {
				state = s.fill(next.write)
			}
			for line := range strings.Lines(lineEnds.Replace(string(state))) {
				fmt.Fprintf(&text, "data: %s\n", strings.TrimSuffix(line, "\n"))
			}
			text.WriteByte('\n')
		}
		_ = out.SetWriteDeadline(time.Now().Add(writeTimeout)) // without it a reader is only slower to be found gone
		if _, err := w.Write(text.Bytes()); err != nil || out.Flush() != nil {
			return
		}
	}
}
