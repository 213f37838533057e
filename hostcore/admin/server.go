package admin

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/orch-host/orch/hostcore/supervisor"
	"github.com/orch-host/orch/hostcore/webtoken"
)

// SocketName is the admin socket's name in the runtime folder.
const SocketName = "host.sock"

// shutdownTimeout bounds how long open requests hold up a shutdown.
const shutdownTimeout = 2 * time.Second

// Server serves the API and the pages.
type Server struct {
	servers []*http.Server
	done    []chan struct{}
	socket  string
	listen  string
}

// Pages are what the TCP address serves beside health.
type Pages struct {
	Metrics *prometheus.Registry
	Codec   http.Handler // below /codec/; nil: none
	Status  http.Handler // at / and below /status/; nil: none
}

// Web is the TCP address and how it is guarded.
type Web struct {
	Listen string      // "": none
	TLS    *tls.Config // nil: plain HTTP, which answers to the machine's own names only
	Name   string      // the host's, one of these
	// Token is the bearer token that whatever tells more than whether the host
	// is well asks for; nil: nothing asks. The pages of Pages guard themselves.
	Token *webtoken.Token
}

// Start serves the API on the socket in runtimeDir and the pages on the web
// address.
func Start(runtimeDir string, web Web, b Backend, p Pages) (*Server, error) {
	s := &Server{socket: filepath.Join(runtimeDir, SocketName)}
	_ = os.Remove(s.socket) // the host's lock says that nobody serves it any more
	unix, err := net.Listen("unix", s.socket)
	if err != nil {
		return nil, fmt.Errorf("open the admin socket: %w", err)
	}
	if err := os.Chmod(s.socket, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("protect the admin socket: %w", err), unix.Close())
	}
	s.serve(unix, api(b))
	if web.Listen == "" {
		return s, nil
	}
	tcp, err := net.Listen("tcp", web.Listen)
	if err != nil {
		s.Stop()
		fix := `set another address, or "" for none`
		if errors.Is(err, syscall.EADDRINUSE) {
			fix = `another program holds the port: set another one, 0 for any, or "" for none`
		}
		return nil, fmt.Errorf("listen on host.listen = %q: %w; %s", web.Listen, err, fix)
	}
	s.listen = tcp.Addr().String()
	shown := pages(b, p, web.Token)
	if web.TLS != nil {
		tcp = tls.NewListener(tcp, web.TLS) // the certificate says under which names it is asked for
	} else {
		shown = ownNames(shown, web.Name)
	}
	s.serve(tcp, shown)
	return s, nil
}

func (s *Server) serve(l net.Listener, h http.Handler) {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0)} // what it would say is about clients
	done := make(chan struct{})
	s.servers, s.done = append(s.servers, srv), append(s.done, done)
	go func() {
		defer close(done)
		_ = srv.Serve(l) // ErrServerClosed after Stop
	}()
}

// Listen is the TCP address as bound; empty when there is none.
func (s *Server) Listen() string { return s.listen }

// Stop ends both and removes the socket.
func (s *Server) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	for i, srv := range s.servers {
		if srv.Shutdown(ctx) != nil {
			_ = srv.Close() // cuts what did not end in time
		}
		<-s.done[i]
	}
	_ = os.Remove(s.socket) // Serve removes it too; either may be first
}

// failure is the body of every answer that is not 200.
type failure struct {
	Error string `json:"error"`
}

func api(b Backend) http.Handler {
	mux := http.NewServeMux()
	get := func(path string, value func() any) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, value()) })
	}
	get("/v1/host", func() any { return b.Info() })
	get("/v1/ready", func() any { return b.Ready() })
	get("/v1/queues", func() any { return b.Queues() })
	get("/v1/attempts", func() any { return b.Attempts() })
	get("/v1/events", func() any { return b.Events() })
	get("/v1/plugins", func() any { return b.Plugins() })
	mux.HandleFunc("GET /v1/plugins/{name}/manifest", func(w http.ResponseWriter, r *http.Request) {
		text, err := b.Manifest(r.PathValue("name"))
		if err != nil {
			answer(w, http.StatusNotFound, failure{err.Error()})
			return
		}
		answer(w, http.StatusOK, json.RawMessage(text))
	})
	mux.HandleFunc("GET /v1/plugins/{name}/logs", handleLogs(b))
	mux.HandleFunc("POST /v1/plugins/reload", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, b.Reload(r.URL.Query().Get("name")))
	})
	mux.HandleFunc("POST /v1/plugins/{name}/rollback", func(w http.ResponseWriter, r *http.Request) {
		result, err := b.Rollback(r.PathValue("name"))
		switch {
		case errors.Is(err, supervisor.ErrUnknownPlugin):
			answer(w, http.StatusNotFound, failure{err.Error()})
		case err != nil:
			answer(w, http.StatusConflict, failure{err.Error()})
		default:
			answer(w, http.StatusOK, result)
		}
	})
	return mux
}

// pages are what the TCP address shows.
func pages(b Backend, p Pages, token *webtoken.Token) http.Handler {
	mux := http.NewServeMux()
	if p.Codec != nil {
		mux.Handle("/codec/", p.Codec)
	}
	if p.Status != nil {
		mux.Handle("/{$}", p.Status)
		mux.Handle("/status/", p.Status)
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ready, code := b.Ready(), http.StatusOK
		if !ready.Ready {
			code = http.StatusServiceUnavailable
		}
		if bears(r, token) != nil {
			ready.Problems = nil
		}
		answer(w, code, ready)
	})
	metrics := promhttp.HandlerFor(p.Metrics, promhttp.HandlerOpts{})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		switch err := bears(r, token); {
		case errors.Is(err, webtoken.ErrBusy):
			answer(w, http.StatusTooManyRequests, failure{err.Error()})
			return
		case err != nil:
			w.Header().Set("WWW-Authenticate", "Bearer")
			answer(w, http.StatusUnauthorized, failure{"send the token of host.http_token as a bearer token"})
			return
		}
		metrics.ServeHTTP(w, r)
	})
	return mux
}

// bears is nil when a request has the token, or none is asked for. Only a token
// that was sent takes its turn: health is asked for without one.
func bears(r *http.Request, token *webtoken.Token) error {
	if token == nil {
		return nil
	}
	given, sent := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !sent {
		return webtoken.ErrWrong
	}
	return token.Check(r.Context(), given)
}

func answer(w http.ResponseWriter, code int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		code, data = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written as JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(data, '\n')) // a reader that has gone needs no answer
}
