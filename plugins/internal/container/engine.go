package container

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/docker/docker/client"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/orch-host/orch/sdk/tracing"
)

// Options of [New]. The zero value is the engine that the environment names.
type Options struct {
	// Host is the engine's address, unix:///path or tcp://host:port. Default:
	// DOCKER_HOST, else the local socket. TLS comes from DOCKER_TLS_VERIFY and
	// DOCKER_CERT_PATH.
	Host string
	// Setting is the configuration key of Host, for messages.
	Setting string
	// OutageGrace is how long an engine that answered before and then went
	// away is waited for. Default 45 s; negative: not at all.
	OutageGrace time.Duration
	// RunLimit is how long a throw-away container may run. Default 2 min.
	RunLimit time.Duration
	// ClientOpts are added to the Docker client's own.
	ClientOpts []client.Opt
}

// Engine is one Docker engine. Safe for concurrent use; Close it at the end.
type Engine struct {
	api     *client.Client
	opts    Options
	host    string // address as configured
	probeIP string // where published ports are reached from here
	locks   keyedLocks
	seen    atomic.Bool // it has answered at least once
}

const localhost = "127.0.0.1" // where an engine on this machine is

// New makes an Engine; it does not connect yet (see [Engine.Ping]).
func New(o Options) (*Engine, error) {
	o.OutageGrace = cmp.Or(o.OutageGrace, 45*time.Second)
	o.RunLimit = cmp.Or(o.RunLimit, 2*time.Minute)
	opts := []client.Opt{client.FromEnv, client.WithTraceOptions(otelhttp.WithFilter(tracing.InTrace))}
	if o.Host != "" {
		opts = append(opts, client.WithHost(o.Host))
	}
	if strings.HasPrefix(cmp.Or(o.Host, os.Getenv(client.EnvOverrideHost)), "ssh:") {
		return nil, fmt.Errorf("docker host %q: ssh is not supported; forward the socket (ssh -L /run/user/1000/docker.sock:/var/run/docker.sock HOST) and set unix:///run/user/1000/docker.sock", cmp.Or(o.Host, os.Getenv(client.EnvOverrideHost)))
	}
	api, err := client.NewClientWithOpts(append(append(opts, client.WithAPIVersionNegotiation()), o.ClientOpts...)...)
	if err != nil {
		return nil, fmt.Errorf("docker host %q: %w; set unix:///path/to/docker.sock or tcp://host:port", cmp.Or(o.Host, os.Getenv(client.EnvOverrideHost)), err)
	}
	e := &Engine{api: api, opts: o, host: api.DaemonHost(), probeIP: localhost}
	if u, err := url.Parse(e.host); err == nil && u.Scheme != "unix" && u.Scheme != "npipe" && u.Hostname() != "" {
		e.probeIP = u.Hostname()
	}
	return e, nil
}

// Close lets go of the connections; containers stay as they are.
func (e *Engine) Close() error { return e.api.Close() }

// Client is the Docker client, for what this package does not cover, such as
// builds. Objects made through it should carry our labels.
func (e *Engine) Client() *client.Client { return e.api }

// Host is the engine's address.
func (e *Engine) Host() string { return e.host }

// Ping tells whether the engine answers: nil, or an [UnreachableError].
func (e *Engine) Ping(ctx context.Context) error {
	pingCtx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err := e.api.Ping(pingCtx)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return e.unreachable(err)
}

// hasAnswered says whether the engine was there before, so that it is worth
// waiting for when it goes away; the first time it asks.
func (e *Engine) hasAnswered(ctx context.Context) bool {
	if !e.seen.Load() && e.Ping(ctx) == nil {
		e.seen.Store(true)
	}
	return e.seen.Load()
}

// awaitReturn waits for an engine that went away to answer again.
func (e *Engine) awaitReturn(ctx context.Context) error {
	deadline := time.Now().Add(e.opts.OutageGrace)
	for {
		err := e.Ping(ctx)
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
		if err := sleep(ctx, 250*time.Millisecond); err != nil {
			return err
		}
	}
}

// unreachable finds out why the engine does not answer and what helps.
func (e *Engine) unreachable(err error) error {
	setting := "DOCKER_HOST"
	if e.opts.Setting != "" {
		setting = e.opts.Setting + " (or DOCKER_HOST)"
	}
	u := &UnreachableError{Host: e.host, Err: err, Hint: "start Docker, or set " + setting + " to where it listens"}
	path, isUnix := strings.CutPrefix(e.host, "unix://")
	if !isUnix {
		return u
	}
	conn, dialErr := net.DialTimeout("unix", path, time.Second)
	if dialErr == nil {
		_ = conn.Close()
		return u
	}
	switch {
	case errors.Is(dialErr, fs.ErrPermission):
		u.Err = errors.New("permission denied")
		u.Hint = "add this user to the socket's group (sudo usermod -aG docker \"$USER\", then log in again)"
	case errors.Is(dialErr, fs.ErrNotExist):
		u.Err = errors.New("there is no such socket")
		if other := otherSocket(path); other != "" {
			u.Hint = fmt.Sprintf("there is one at %s: set %s to unix://%s", other, setting, other)
		}
	case errors.Is(dialErr, syscall.ECONNREFUSED):
		u.Err = errors.New("the socket is there, but nobody listens")
		u.Hint = "start Docker (sudo systemctl start docker)"
	}
	return u
}

// otherSocket looks where Docker Desktop, rootless Docker and Colima listen.
func otherSocket(not string) string {
	home, _ := os.UserHomeDir()
	for _, p := range []string{
		"/var/run/docker.sock",
		filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "docker.sock"),
		filepath.Join(home, ".docker/run/docker.sock"),
		filepath.Join(home, ".docker/desktop/docker.sock"),
		filepath.Join(home, ".colima/default/docker.sock"),
	} {
		if p == not {
			continue
		}
		if info, err := os.Stat(p); err == nil && info.Mode()&fs.ModeSocket != 0 {
			return p
		}
	}
	return ""
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
