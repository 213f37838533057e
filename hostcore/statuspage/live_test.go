package statuspage

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// slowWriter is a connection whose writes fail when their deadline is over.
type slowWriter struct {
	http.ResponseWriter
	mu       sync.Mutex
	deadline time.Time
	text     strings.Builder
}

func (w *slowWriter) SetWriteDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deadline = t
	return nil
}

func (w *slowWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Now().After(w.deadline) {
		return 0, os.ErrDeadlineExceeded
	}
	return w.text.Write(p)
}

func (w *slowWriter) Flush() {}

func TestAStreamLivesOnWhileNothingChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(func(context.Context) rendering { return rendering{read: []byte("state")} })
		w := &slowWriter{ResponseWriter: httptest.NewRecorder()}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			l.serve(w, httptest.NewRequest("GET", "/status/live", nil), nil)
		}()
		time.Sleep(time.Minute)
		select {
		case <-ended:
			t.Errorf("it ended by itself after %q", w.text.String())
		default:
		}
		l.close()
		<-ended
		if n := strings.Count(w.text.String(), ": still here"); n < 3 {
			t.Errorf("%d signs of life in a minute: %q", n, w.text.String())
		}
	})
}
