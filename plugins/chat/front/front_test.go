package front

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// application is a version that answers with its name; one asked for /slow
// begins to answer and ends when finish is closed.
func application(t *testing.T, name string) (target string, finish chan struct{}) {
	finish = make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, name)
		if r.URL.Path == "/slow" {
			_ = http.NewResponseController(w).Flush()
			<-finish
			fmt.Fprint(w, " to the end")
		}
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), finish
}

func serve(t *testing.T, dir string) (*Front, string) {
	t.Helper()
	f, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(f)
	t.Cleanup(func() {
		s.Close()
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, p := range f.proxies {
			p.Transport.(*http.Transport).CloseIdleConnections()
		}
	})
	return f, s.URL
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestWithoutATargetTheFrontSaysSo(t *testing.T) {
	_, url := serve(t, t.TempDir())
	if code, text := get(t, url); code != http.StatusServiceUnavailable || !strings.Contains(text, "No application") {
		t.Errorf("%d %s", code, text)
	}
}

func TestASwitchWaitsForOpenAnswersAndSendsNewRequestsToTheNewTarget(t *testing.T) {
	one, finishOne := application(t, "one")
	two, _ := application(t, "two")
	f, url := serve(t, t.TempDir())
	if _, err := f.Switch(t.Context(), one, time.Second); err != nil {
		t.Fatal(err)
	}
	slow := make(chan string)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(url + "/slow") // answered by one, not to its end
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		slow <- string(text)
	}()
	if s, err := f.Switch(t.Context(), two, 20*time.Millisecond); err != nil || s.Open[one] != 1 || s.Target != two {
		t.Errorf("when the drain time is over: %+v %v, want the one request that is still open", s, err)
	}
	if _, text := get(t, url); text != "two" {
		t.Errorf("a new request is answered by %q", text)
	}
	waited := make(chan Status)
	go func() {
		s, _ := f.Switch(t.Context(), two, time.Minute)
		waited <- s
	}()
	close(finishOne)
	if text := <-slow; text != "one to the end" {
		t.Errorf("the open answer: %q", text)
	}
	if s := <-waited; s.Open[one] != 0 {
		t.Errorf("after the wait: %+v", s)
	}
}

func TestATargetThatCannotBeReachedIsNotSwitchedTo(t *testing.T) {
	one, _ := application(t, "one")
	dir := t.TempDir()
	f, url := serve(t, dir)
	if _, err := f.Switch(t.Context(), one, time.Second); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := l.Addr().String()
	l.Close()
	if _, err := f.Switch(t.Context(), gone, time.Second); err == nil || !strings.Contains(err.Error(), "the one before stays") {
		t.Errorf("error %v", err)
	}
	if _, text := get(t, url); text != "one" {
		t.Errorf("answered by %q", text)
	}
	_, again := serve(t, dir) // as after a restart
	if _, text := get(t, again); text != "one" {
		t.Errorf("after a restart: answered by %q", text)
	}
}

func TestTheApplicationSeesWhatAProxyBeforeTheFrontSays(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, h := range []string{"X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded"} {
			fmt.Fprintln(w, r.Header.Values(h))
		}
	}))
	t.Cleanup(s.Close)
	f, at := serve(t, t.TempDir())
	if _, err := f.Switch(t.Context(), strings.TrimPrefix(s.URL, "http://"), time.Second); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		header http.Header
		want   string
	}{
		{http.Header{}, "[http]\n[" + strings.TrimPrefix(at, "http://") + "]\n[]\n"},
		{
			http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"chat.example.com"}, "Forwarded": {"proto=https"}},
			"[https]\n[chat.example.com]\n[proto=https]\n",
		},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = tt.header
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(text) != tt.want {
			t.Errorf("sent %v: the application sees %q, want %q", tt.header, text, tt.want)
		}
	}
}

func TestAnApplicationThatEndsIsAnswered502(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	f, url := serve(t, t.TempDir())
	if _, err := f.Switch(t.Context(), strings.TrimPrefix(s.URL, "http://"), time.Second); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if code, _ := get(t, url); code != http.StatusBadGateway {
		t.Errorf("status %d", code)
	}
}

func TestTheCommandLineAsksAndSwitchesTheFrontThatServes(t *testing.T) {
	one, _ := application(t, "one")
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- Serve(ctx, "127.0.0.1:0", dir) }()
	for deadline := time.Now().Add(10 * time.Second); ; {
		if _, err := os.Stat(filepath.Join(dir, socketName)); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it does not serve")
		}
	}
	for _, tt := range []struct {
		code int
		args []string
	}{
		{0, []string{"status", "-dir", dir}},
		{1, []string{"switch", "-dir", dir, "-target", "nonsense"}},
		{0, []string{"switch", "-dir", dir, "-target", one, "-drain", "1s"}},
		{1, []string{"dance"}},
		{2, nil},
	} {
		if code := Main(tt.args); code != tt.code {
			t.Errorf("front %v: exit code %d, want %d", tt.args, code, tt.code)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "target")); err != nil || strings.TrimSpace(string(text)) != one {
		t.Errorf("written down: %q %v", text, err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestAFrontThatEndsWhileItSwitchesTakesNothingNewAndFinishesTheRest(t *testing.T) {
	for range 4 {
		one, finish := application(t, "one")
		end := sync.OnceFunc(func() { close(finish) })
		t.Cleanup(end)
		two, _ := application(t, "two")
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		public := l.Addr().String()
		l.Close()
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		served := make(chan error, 1)
		go func() { served <- Serve(ctx, public, dir) }()
		eventually(t, "it serves", func() bool { return Main([]string{"switch", "-dir", dir, "-target", one}) == 0 })
		answers := make(chan string, 1)
		go func() {
			var text []byte
			resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + public + "/slow")
			if err == nil {
				text, err = io.ReadAll(resp.Body)
				resp.Body.Close()
			}
			answers <- fmt.Sprint(string(text), err)
		}()
		asked := func() string {
			var out strings.Builder
			_ = ask(t.Context(), dir, http.MethodGet, "/status", &out)
			return out.String()
		}
		eventually(t, "a request is open", func() bool { return strings.Contains(asked(), one+`":1`) })
		switching := make(chan int, 1)
		go func() { switching <- Main([]string{"switch", "-dir", dir, "-target", two, "-drain", "1m"}) }()
		eventually(t, "it switches", func() bool { return strings.Contains(asked(), `"target":"`+two) })
		cancel()
		eventually(t, "nothing new is taken", func() bool {
			conn, err := net.DialTimeout("tcp", public, time.Second)
			if err == nil {
				conn.Close()
			}
			return err != nil
		})
		end()
		if text := <-answers; text != "one to the end<nil>" {
			t.Errorf("the open request got %q", text)
		}
		if err := <-served; err != nil {
			t.Errorf("it ended with %v", err)
		}
		<-switching
	}
}

func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !yes(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 5 s: %s", what)
		}
	}
}
