package front

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Front passes requests on to the target in force.
type Front struct {
	state string // file with the target

	mu     sync.Mutex
	target string // host:port; "" for none
	open   map[string]int
	ended  chan struct{} // closed and made anew whenever a request has ended

	proxies map[string]*httputil.ReverseProxy // by target
}

// New makes a front that keeps its target in the folder dir.
func New(dir string) (*Front, error) {
	f := &Front{
		state: filepath.Join(dir, "target"), open: map[string]int{}, ended: make(chan struct{}),
		proxies: map[string]*httputil.ReverseProxy{},
	}
	text, err := os.ReadFile(f.state)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the target: %w", err)
	}
	f.target = strings.TrimSpace(string(text))
	return f, nil
}

// ServeHTTP answers with what the target answers.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	proxy, done := f.begin()
	defer done()
	if proxy == nil {
		unavailable(w, http.StatusServiceUnavailable, "No application is running here yet.")
		return
	}
	// An application may begin to answer before it has read all of a request:
	// without this the server would take the rest of the body away from it.
	_ = http.NewResponseController(w).EnableFullDuplex() // only HTTP/1 needs it
	proxy.ServeHTTP(w, r)
}

// begin counts a request in and returns the proxy to its target.
func (f *Front) begin() (proxy *httputil.ReverseProxy, done func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	target := f.target
	if target == "" {
		return nil, func() {}
	}
	if f.proxies[target] == nil {
		f.proxies[target] = newProxy(target)
	}
	f.open[target]++
	return f.proxies[target], func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.open[target]--; f.open[target] == 0 {
			delete(f.open, target)
			f.forget(target)
		}
		close(f.ended)
		f.ended = make(chan struct{})
	}
}

// forget lets go of the connections to a target that is no longer in force.
func (f *Front) forget(target string) {
	if p := f.proxies[target]; p != nil && target != f.target && f.open[target] == 0 {
		p.Transport.(*http.Transport).CloseIdleConnections()
		delete(f.proxies, target)
	}
}

// newProxy passes requests on as they are: host, streams, upgrades and
// compression are the application's.
func newProxy(target string) *httputil.ReverseProxy {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	return &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = "http", target
			p.Out.Header["X-Forwarded-For"] = p.In.Header["X-Forwarded-For"]
			p.SetXForwarded()
			// A proxy before this one, such as cloudflared, knows better how the client came.
			for _, name := range []string{"Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto"} {
				if said := p.In.Header[name]; said != nil {
					p.Out.Header[name] = said
				}
			}
			p.Out.Host = p.In.Host
		},
		FlushInterval: -1,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, DisableCompression: true,
			MaxIdleConnsPerHost: 256, IdleConnTimeout: 30 * time.Second,
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil { // else the client has gone
				fmt.Fprintf(os.Stderr, "%s %s: %v\n", r.Method, r.URL.Path, err)
			}
			unavailable(w, http.StatusBadGateway, "The application does not answer.")
		},
	}
}

func unavailable(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Retry-After", "5")
	http.Error(w, text, code)
}

// Status is what the front is doing.
type Status struct {
	Target string         `json:"target"` // "" for none
	Open   map[string]int `json:"open"`   // requests being answered, by target
}

// Status tells what the front is doing.
func (f *Front) Status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := Status{Target: f.target, Open: map[string]int{}}
	for t, n := range f.open {
		s.Open[t] = n
	}
	return s
}

// Switch makes target the one in force and waits until no other is answering
// requests any more, up to drain. The same target again only waits.
func (f *Front) Switch(ctx context.Context, target string, drain time.Duration) (Status, error) {
	if target != f.Status().Target {
		dialer := net.Dialer{Timeout: 5 * time.Second}
		conn, err := dialer.DialContext(ctx, "tcp", target)
		if err != nil {
			return f.Status(), fmt.Errorf("the target %s cannot be connected to, the one before stays: %w", target, err)
		}
		conn.Close()
		if err := f.set(target); err != nil {
			return f.Status(), err
		}
	}
	limit := time.NewTimer(drain)
	defer limit.Stop()
	for {
		f.mu.Lock()
		others, ended := len(f.open), f.ended
		if f.open[target] > 0 {
			others--
		}
		f.mu.Unlock()
		if others == 0 {
			return f.Status(), nil
		}
		select {
		case <-ended:
		case <-limit.C:
			return f.Status(), nil
		case <-ctx.Done():
			return f.Status(), ctx.Err()
		}
	}
}

// set writes the target down and puts it in force.
func (f *Front) set(target string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	tmp, err := os.CreateTemp(filepath.Dir(f.state), ".target-*")
	if err != nil {
		return fmt.Errorf("write down the target: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(target + "\n")
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("write down the target: %w", err)
	}
	if err := os.Rename(tmp.Name(), f.state); err != nil {
		return fmt.Errorf("write down the target: %w", err)
	}
	before := f.target
	f.target = target
	f.forget(before)
	return nil
}
