package container

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
)

// proxy stands between an Engine and Docker, and can go away between any two
// calls, as the caller or Docker would.
type proxy struct {
	host string

	mu     sync.Mutex
	calls  []string // what changed something
	fail   int      // from this change on nothing gets through; 0: never
	lost   bool     // the failing change reaches Docker, its answer gets lost
	down   bool
	onDown func()
	// onChange is told the number of each change before it gets through.
	onChange func(n int)
}

func newProxy(t *testing.T) *proxy {
	t.Helper()
	p := &proxy{host: "unix://" + filepath.Join(t.TempDir(), "p.sock")}
	direct, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	dockerURL, err := url.Parse(direct.Host())
	if err != nil {
		t.Fatal(err)
	}
	network, addr := "tcp", dockerURL.Host
	if dockerURL.Scheme == "unix" {
		network, addr = "unix", dockerURL.Path
	}
	_ = direct.Close()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, addr)
	}}
	reverse := &httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1,
		Director: func(r *http.Request) { r.URL.Scheme, r.URL.Host = "http", "docker" },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) {
			panic(http.ErrAbortHandler)
		},
	}
	l, err := net.Listen("unix", p.host[len("unix://"):])
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pass, answer := p.admit(r)
		if !pass {
			panic(http.ErrAbortHandler) // the connection breaks
		}
		if !answer {
			reverse.ServeHTTP(discard{http.Header{}}, r)
			panic(http.ErrAbortHandler)
		}
		reverse.ServeHTTP(w, r)
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
		transport.CloseIdleConnections()
	})
	return p
}

// admit tells whether a request gets through, and its answer back.
func (p *proxy) admit(r *http.Request) (pass, answer bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return false, false
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true, true
	}
	p.calls = append(p.calls, r.Method+" "+r.URL.Path)
	if p.onChange != nil {
		p.onChange(len(p.calls))
	}
	if p.fail == 0 || len(p.calls) < p.fail {
		return true, true
	}
	p.down = true
	if p.onDown != nil {
		p.onDown()
	}
	return p.lost, false
}

func (p *proxy) setDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down, p.fail = down, 0
}

func (p *proxy) changes() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.calls...)
}

// discard takes an answer that nobody gets.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}
