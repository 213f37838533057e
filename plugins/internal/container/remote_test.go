package container

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"
)

// remote makes the engine look as if it were on another machine: it is asked
// over TCP at another address than 127.0.0.1.
func (w *world) remote() *Engine {
	w.t.Helper()
	u, err := url.Parse(w.Host())
	if err != nil {
		w.t.Fatal(err)
	}
	network, addr := "tcp", u.Host
	if u.Scheme == "unix" {
		network, addr = "unix", u.Path
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, addr)
	}}
	s := httptest.NewUnstartedServer(&httputil.ReverseProxy{Transport: transport, FlushInterval: -1, Director: func(r *http.Request) { r.URL.Scheme, r.URL.Host = "http", "docker" }})
	s.Listener.Close()
	if s.Listener, err = net.Listen("tcp", "127.0.0.2:0"); err != nil {
		w.t.Skipf("no second loopback address: %v", err)
	}
	s.Start()
	w.t.Cleanup(func() { s.Close(); transport.CloseIdleConnections() })
	e := w.engine(Options{Host: "tcp://" + s.Listener.Addr().String(), Setting: "plugins.databases.config.docker.host"})
	e.probeIP = "192.0.2.1" // as New finds it for an engine that is not on this machine
	return e
}

func TestAContainerOutOfReachOnAnotherMachineSaysWhatToSet(t *testing.T) {
	for name, tt := range map[string]struct {
		port Port
		want string
	}{
		"at a port that bind moves":   {Port{Container: 8080, Host: freePort(t), Setting: "plugins.databases.config.web.port"}, "set plugins.databases.config.bind"},
		"at a port that bind leaves":  {Port{Container: 8080}, "run the host on the engine's machine"},
		"at an address that is bound": {Port{Container: 8080, Host: freePort(t), HostIP: "0.0.0.0", Setting: "plugins.databases.config.web.port"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.spec("x")
			s.Ports, s.ReadyTimeout = []Port{tt.port}, time.Second
			s.Ready = func(context.Context, Endpoints) error { return errors.New("no answer") }
			_, err := w.remote().Ensure(t.Context(), s)
			var notReady *NotReadyError
			if !errors.As(err, &notReady) || !strings.Contains(err.Error(), tt.want) || tt.want == "" && strings.Contains(err.Error(), "machine") {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			_, err = w.Ensure(t.Context(), s)
			if !errors.As(err, &notReady) || strings.Contains(err.Error(), "machine") {
				t.Errorf("of an engine on this machine: error %v", err)
			}
		})
	}
}
