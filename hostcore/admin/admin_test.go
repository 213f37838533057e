package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/orch-host/orch/hostcore/bridge"
	"github.com/orch-host/orch/hostcore/pluginlog"
	"github.com/orch-host/orch/hostcore/supervisor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backend is a host that says what the test wants.
type backend struct {
	ready Ready
	asked []string
}

func (b *backend) Info() Info {
	return Info{Name: "here", Pid: 7, Temporal: Temporal{Address: "127.0.0.1:7233"}}
}
func (b *backend) Ready() Ready               { return b.ready }
func (b *backend) Queues() []Queue            { return []Queue{{Service: "s", TaskQueue: "s-queue", Ready: true}} }
func (b *backend) Attempts() []bridge.Running { return []bridge.Running{{Activity: "x", Plugin: "a"}} }
func (b *backend) Events() []supervisor.Event {
	return []supervisor.Event{{Plugin: "a", Kind: "swapped"}}
}
func (b *backend) Plugins() []supervisor.Status {
	return []supervisor.Status{{Name: "a", State: supervisor.Ready}}
}
func (b *backend) Manifest(name string) ([]byte, error) {
	if name != "a b/c" {
		return nil, fmt.Errorf("plugin %q: %w", name, supervisor.ErrUnknownPlugin)
	}
	return []byte(`{"name":"a"}`), nil
}
func (b *backend) Logs(context.Context, LogQuery) ([]pluginlog.Line, error) { return nil, nil }
func (b *backend) Reload(name string) []supervisor.Result {
	b.asked = append(b.asked, "reload "+name)
	return []supervisor.Result{{Name: name, Change: "unchanged"}}
}
func (b *backend) Rollback(name string) (supervisor.Result, error) {
	b.asked = append(b.asked, "rollback "+name)
	switch name {
	case "a":
		return supervisor.Result{Name: "a", Change: "swapped"}, nil
	case "nobody":
		return supervisor.Result{}, fmt.Errorf("plugin %q: %w", name, supervisor.ErrUnknownPlugin)
	}
	return supervisor.Result{}, errors.New("plugin b has no earlier version to go back to")
}

func serve(t *testing.T, b Backend, codec http.Handler) (*Server, string, *Client) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "orch-admin") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s, err := Start(dir, Web{Listen: "127.0.0.1:0", Name: "blade7"}, b, Pages{Metrics: prometheus.NewRegistry(), Codec: codec, Status: http.NotFoundHandler()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	c := NewClient(dir)
	t.Cleanup(c.Close)
	return s, dir, c
}

func TestEveryCallGoesRoundTheSocket(t *testing.T) {
	b := &backend{ready: Ready{Problems: []string{"plugin a is failed"}}}
	_, _, c := serve(t, b, nil)
	ctx := t.Context()
	check := func(what string, want, got any, err error) {
		t.Helper()
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", what, err, diff)
		}
	}
	info, err := c.Info(ctx)
	check("info", b.Info(), info, err)
	ready, err := c.Ready(ctx)
	check("ready", b.ready, ready, err)
	queues, err := c.Queues(ctx)
	check("queues", b.Queues(), queues, err)
	attempts, err := c.Attempts(ctx)
	check("attempts", b.Attempts(), attempts, err)
	events, err := c.Events(ctx)
	check("events", b.Events(), events, err)
	plugins, err := c.Plugins(ctx)
	check("plugins", b.Plugins(), plugins, err)
	manifest, err := c.Manifest(ctx, "a b/c")
	check("manifest", json.RawMessage(`{"name":"a"}`), manifest, err)
	reload, err := c.Reload(ctx, "a&b=c")
	check("reload", []supervisor.Result{{Name: "a&b=c", Change: "unchanged"}}, reload, err)
	rollback, err := c.Rollback(ctx, "a")
	check("rollback", supervisor.Result{Name: "a", Change: "swapped"}, rollback, err)
	if diff := cmp.Diff([]string{"reload a&b=c", "rollback a"}, b.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestRefusalsComeBackInTheHostsWords(t *testing.T) {
	_, _, c := serve(t, &backend{}, nil)
	for name, want := range map[string]string{"nobody": "no plugin has this name", "b": "no earlier version"} {
		if _, err := c.Rollback(t.Context(), name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("rollback of %s: %v", name, err)
		}
	}
	if _, err := c.Manifest(t.Context(), "nobody"); err == nil || !strings.Contains(err.Error(), "no plugin has this name") {
		t.Errorf("manifest: %v", err)
	}
}

func TestTheSocketIsPrivateAndGoesWithTheHost(t *testing.T) {
	dir := t.TempDir()
	stale, err := net.Listen("unix", filepath.Join(dir, SocketName))
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = stale.Close() // a host that was killed leaves its socket
	s, err := Start(dir, Web{Listen: ""}, &backend{}, Pages{Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, SocketName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if s.Listen() != "" {
		t.Errorf("it listens on %s, and nobody asked", s.Listen())
	}
	s.Stop()
	if _, err := os.Stat(filepath.Join(dir, SocketName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
	c := NewClient(dir)
	var gone *NotRunningError
	if _, err := c.Info(t.Context()); !errors.As(err, &gone) || !strings.Contains(err.Error(), filepath.Join(dir, SocketName)) {
		t.Errorf("a client without a host: %v", err)
	}
}

func TestAHostOfAnotherUserIsNotTrusted(t *testing.T) {
	_, _, c := serve(t, &backend{}, nil)
	c.uid = os.Geteuid() + 1
	if i, err := c.Info(t.Context()); err == nil || !strings.Contains(err.Error(), "host.runtime_dir") {
		t.Errorf("%+v, %v", i, err)
	}
}

func TestAnAddressThatIsNotOursIsNotBlamedOnAnotherProgram(t *testing.T) {
	s, err := Start(t.TempDir(), Web{Listen: "192.0.2.1:7070"}, &backend{}, Pages{Metrics: prometheus.NewRegistry()})
	if err == nil || strings.Contains(err.Error(), "another program") || !strings.Contains(err.Error(), "host.listen") {
		t.Errorf("%v, %v", s, err)
	}
}

func TestAPortInUseIsNamedWithItsSetting(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if s, err := Start(t.TempDir(), Web{Listen: l.Addr().String()}, &backend{}, Pages{Metrics: prometheus.NewRegistry()}); err == nil || !strings.Contains(err.Error(), "host.listen") {
		t.Errorf("%v, %v", s, err)
	}
}

func TestThePagesTellAndChangeNothing(t *testing.T) {
	b := &backend{ready: Ready{Ready: true}}
	s, _, _ := serve(t, b, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "decoded") }))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(method, path string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Listen()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	tests := []struct {
		method, path string
		code         int
		body         string
	}{
		{"GET", "/healthz", 200, "ok"},
		{"GET", "/readyz", 200, `"ready":true`},
		{"GET", "/metrics", 200, ""},
		{"POST", "/codec/decode", 200, "decoded"},
		{"POST", "/v1/plugins/reload", 404, ""},
		{"GET", "/v1/host", 404, ""},
		{"POST", "/healthz", 405, ""},
	}
	for _, tt := range tests {
		if code, body := get(tt.method, tt.path); code != tt.code || !strings.Contains(body, tt.body) {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, code, body)
		}
	}
	b.ready = Ready{Problems: []string{"no Temporal"}}
	if code, body := get("GET", "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "no Temporal") {
		t.Errorf("not ready: %d %s", code, body)
	}
	if len(b.asked) > 0 {
		t.Errorf("the pages changed something: %v", b.asked)
	}
}

func TestALoopbackAddressAnswersToTheMachinesOwnNamesOnly(t *testing.T) {
	s, _, _ := serve(t, &backend{ready: Ready{Ready: true}}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	_, port, err := net.SplitHostPort(s.Listen())
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for host, own := range map[string]bool{
		"127.0.0.1:" + port: true, "127.0.0.1": true, "[::1]:" + port: true, "[::1]": true, "localhost:" + port: true, "LocalHost": true, "localhost.": true, "blade7:" + port: true, "Blade7": true,
		"evil.example": false, "evil.example:" + port: false, "localhost.evil.example": false, "blade7.evil.example": false, "127.0.0.1.evil.example": false,
	} {
		for _, path := range []string{"/healthz", "/readyz", "/metrics", "/codec/decode", "/", "/status/live"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Listen()+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = host
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if refused := resp.StatusCode == http.StatusMisdirectedRequest; refused == own {
				t.Errorf("%s of %s: %d", path, host, resp.StatusCode)
			}
		}
	}
}
