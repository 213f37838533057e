package conformance

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/orch-host/orch/hostcore/catalog"
	"github.com/orch-host/orch/hostcore/proc"
	"github.com/orch-host/orch/sdk/pluginv1"
)

// session is one process of the plugin, started by the host's own runner.
type session struct {
	p      *proc.Process
	client pluginv1.PluginClient
	out    *transcript
	state  string
	limit  time.Duration // of a call
	grace  time.Duration // for an end that has begun
}

// open starts the plugin as the host does.
func (k *kit) open(ctx context.Context) (*session, error) {
	state := filepath.Join(k.dir, "state")
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, fmt.Errorf("make a state folder for the plugin: %w", err)
	}
	out := &transcript{}
	p, err := proc.Start(ctx, proc.Spec{
		Path: k.o.Binary, Name: filepath.Base(k.o.Binary), Env: environment(), RuntimeDir: filepath.Join(k.dir, "run"),
		StartTimeout: k.o.Timeout, LogSink: out,
	})
	if err != nil {
		return nil, err
	}
	return &session{p: p, client: pluginv1.NewPluginClient(p.Conn()), out: out, state: state, limit: k.o.Timeout, grace: k.o.Grace}, nil
}

// environment is what a plugin sees of the developer's.
func environment() []string { return catalog.Environment(nil, os.Environ()) }

func (s *session) close() { _ = s.p.Stop(context.Background(), 2*time.Second) } // how it ended is another case's business

// exit says how the process ended; nil while it runs. After an error that looks
// like a broken connection it waits for the end.
func (s *session) exit(err error) error {
	if status.Code(rootOf(err)) == codes.Unavailable {
		select {
		case <-s.p.Done():
		case <-time.After(s.grace):
		}
	}
	return s.p.Err()
}

// rootOf finds the gRPC status in a chain.
func rootOf(err error) error {
	var g interface{ GRPCStatus() *status.Status }
	if errors.As(err, &g) {
		return g.GRPCStatus().Err()
	}
	return nil
}

func (s *session) describe(ctx context.Context) (*pluginv1.Manifest, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	return s.client.Describe(ctx, &pluginv1.DescribeRequest{})
}

// configure returns the problems as "path: message".
func (s *session) configure(ctx context.Context, table []byte) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	resp, err := s.client.Configure(ctx, &pluginv1.ConfigureRequest{Config: table, LogLevel: "debug", StateDir: s.state})
	if err != nil {
		return nil, err
	}
	var problems []string
	for _, p := range resp.GetProblems() {
		text := p.GetMessage()
		if p.GetPath() != "" {
			text = p.GetPath() + ": " + text
		}
		problems = append(problems, text)
	}
	return problems, nil
}

// errNoHealth says that the plugin pushes no health.
var errNoHealth = errors.New("the plugin does not implement Watch")

// watch reads health until f says enough.
func (s *session) watch(ctx context.Context, limit time.Duration, f func(*pluginv1.Status) bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	stream, err := s.client.Watch(ctx, &pluginv1.WatchRequest{})
	if err != nil {
		return err
	}
	for {
		st, err := stream.Recv()
		if status.Code(err) == codes.Unimplemented {
			return errNoHealth
		}
		if err != nil {
			return err
		}
		if f(st) {
			return nil
		}
	}
}

func (s *session) awaitReady(ctx context.Context, limit time.Duration) error {
	last := "no health at all"
	err := s.watch(ctx, limit, func(st *pluginv1.Status) bool {
		last = st.GetHealth().String() + " " + st.GetMessage()
		return serving(st)
	})
	if err == nil || errors.Is(err, errNoHealth) {
		return nil
	}
	return fmt.Errorf("it was configured, but did not report READY within %s (last: %s): %w", limit, last, err)
}

func serving(st *pluginv1.Status) bool {
	return st.GetHealth() == pluginv1.Status_READY || st.GetHealth() == pluginv1.Status_DEGRADED
}

// transcript keeps the first 64 KB that a process prints.
type transcript struct {
	mu    sync.Mutex
	b     bytes.Buffer
	limit int // of what is kept; 0: 64 KB
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if limit := cmp.Or(t.limit, 64<<10); t.b.Len() < limit {
		t.b.Write(p)
	}
	return len(p), nil
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}
