// Package sdktest runs a plugin inside a test over real gRPC, without a host:
// the bytes, the stream and the rules are those of production, only the
// process boundary is missing.
//
//	h := sdktest.Start(t, greeter.Plugin("1.0.0"), sdktest.Config(map[string]any{"greeting": "hi"}))
//	res := h.Run("greet", map[string]any{"name": "Ada"})
//	var out greeter.Greeting
//	res.Decode(&out)
package sdktest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/orch-host/orch/sdk"
	"github.com/orch-host/orch/sdk/pluginv1"
)

// Harness is a plugin that runs inside the test.
type Harness struct {
	t      testing.TB
	Client pluginv1.PluginClient // the wire itself, for what Run does not cover
	ctx    context.Context
}

// Option adjusts [Start].
type Option func(*options)

type options struct {
	config   any
	stateDir string
}

// Config is the plugin's configuration table, as anything that JSON can write.
func Config(table any) Option { return func(o *options) { o.config = table } }

// StateDir is the folder that sdk.StateDir returns. Default: a folder of the
// test's own.
func StateDir(dir string) Option { return func(o *options) { o.stateDir = dir } }

// readyTimeout is how long a plugin may take to get ready. Its Ready function
// is asked once a second.
const readyTimeout = time.Minute

// Start serves p until the test ends, configures it and waits until it is
// ready, as a host does before it sends attempts. A description or a
// configuration that is refused, or a minute without getting ready, fails the
// test.
func Start(t testing.TB, p sdk.Plugin, opts ...Option) *Harness {
	t.Helper()
	o := options{config: map[string]any{}, stateDir: t.TempDir()}
	for _, opt := range opts {
		opt(&o)
	}
	h := serve(t, p)
	if problems := h.Configure(o.config, o.stateDir); len(problems) > 0 {
		t.Fatalf("plugin %s refused its configuration: %v", p.Name, problems)
	}
	h.awaitReady(p.Name)
	return h
}

// serve starts the gRPC server and a client on an in-memory connection.
func serve(t testing.TB, p sdk.Plugin) *Harness {
	t.Helper()
	s, err := sdk.NewServer(p)
	if err != nil {
		t.Fatal(err)
	}
	lis := bufconn.Listen(1 << 20)
	g := grpc.NewServer(sdk.Options()...)
	s.Register(g)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = g.Serve(lis) // returns when the test stops the server
	}()
	conn, err := grpc.NewClient("passthrough:bufconn",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		_ = conn.Close() // nothing is in flight any more
		g.Stop()
		<-served
		s.Close()
	})
	return &Harness{t: t, Client: pluginv1.NewPluginClient(conn), ctx: ctx}
}

func (h *Harness) awaitReady(name string) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.ctx, readyTimeout)
	defer cancel()
	var last *pluginv1.Status
	stream, err := h.Client.Watch(ctx, &pluginv1.WatchRequest{})
	for err == nil && last.GetHealth() != pluginv1.Status_READY {
		var now *pluginv1.Status
		if now, err = stream.Recv(); err == nil {
			last = now
		}
	}
	if err != nil {
		h.t.Fatalf("plugin %s was configured, but did not get ready within %s; it says %s %s: %v", name, readyTimeout, last.GetHealth(), last.GetMessage(), err)
	}
}

// Configure hands over a configuration table and returns the keys it was
// refused for, as "path: message".
func (h *Harness) Configure(table any, stateDir string) []string {
	h.t.Helper()
	data, err := json.Marshal(table)
	if err != nil {
		h.t.Fatal(err)
	}
	resp, err := h.Client.Configure(h.ctx, &pluginv1.ConfigureRequest{Config: data, LogLevel: "debug", StateDir: stateDir})
	if err != nil {
		h.t.Fatalf("configure: %v", err)
	}
	var problems []string
	for _, p := range resp.GetProblems() {
		problems = append(problems, fmt.Sprintf("%s: %s", p.GetPath(), p.GetMessage()))
	}
	return problems
}
