package statuspage

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orch-host/orch/hostcore/executor"
	"github.com/orch-host/orch/hostcore/webtoken"
)

// returning is a host whose service failed with a text that has carriage
// returns in it, as the progress of tools has.
type returning struct{ fakeHost }

func (*returning) Services(context.Context) ([]*executor.Status, error) {
	return []*executor.Status{{Service: "chat", State: "failed", Error: "pulling 1%\rpulling 2%\r\ndenied"}}, nil
}

// message reads one message of a stream of events as a browser does: CR, LF and
// CRLF each end a line, and an empty line ends the message.
func message(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	var data []string
	var line []byte
	for {
		b, err := r.ReadByte()
		if err != nil {
			t.Fatalf("the stream ended within a message: %v", err)
		}
		if b != '\r' && b != '\n' {
			line = append(line, b)
			continue
		}
		if b == '\r' {
			if next, err := r.Peek(1); err == nil && next[0] == '\n' {
				_, _ = r.ReadByte()
			}
		}
		if len(line) == 0 && len(data) > 0 {
			return strings.Join(data, "\n")
		}
		if text, ok := strings.CutPrefix(string(line), "data: "); ok {
			data = append(data, text)
		}
		line = line[:0]
	}
}

func TestCarriageReturnsDoNotCutTheLivePage(t *testing.T) {
	p := New(&returning{}, Options{})
	s := serving(t, p)
	resp, err := s.Get(s.url + "/status/live")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text := message(t, bufio.NewReader(resp.Body))
	for _, want := range []string{"pulling 1%", "pulling 2%", "denied</pre>", "</article>"} {
		if !strings.Contains(text, want) {
			t.Errorf("the message lacks %q:\n%s", want, text)
		}
	}
}

func TestALogOutEndsTheLiveStreamOfItsSession(t *testing.T) {
	s := newSite(t, Options{Token: webtoken.New("canary-token"), Private: true})
	_, text := s.do("POST", "/status/login", url.Values{"token": {"canary-token"}}.Encode(), nil)
	_, csrf, _ := strings.Cut(text, `name="csrf" value="`)
	csrf, _, _ = strings.Cut(csrf, `"`)
	resp, err := s.Get(s.url + "/status/live")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	defer resp.Body.Close()
	in := bufio.NewReader(resp.Body)
	message(t, in)
	s.do("POST", "/status/logout", url.Values{"csrf": {csrf}}.Encode(), nil)
	ended := make(chan string, 1)
	go func() {
		rest, _ := io.ReadAll(in)
		ended <- string(rest)
	}()
	s.host.set("failed")
	s.page.live.now()
	select {
	case rest := <-ended:
		if strings.Contains(rest, "chat") {
			t.Errorf("after the log-out it was still told: %s", rest)
		}
	case <-time.After(10 * time.Second):
		t.Error("the stream goes on after the log-out")
	}
}

func TestAReaderWhoComesAtTheEndStartsNothing(t *testing.T) {
	for range 5000 {
		l := newLive(func(context.Context) rendering { return rendering{} })
		joined := make(chan struct{})
		go func() {
			defer close(joined)
			if c := l.join(); c != nil {
				l.leave(c)
			}
		}()
		l.close()
		<-joined
	}
}

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
			l.serve(w, httptest.NewRequest("GET", "/status/live", nil), &sessions{})
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
