package sdk

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// serveTest is serve without go-plugin around it.
func serveTest(t *testing.T, p Plugin) (client pluginv1.PluginClient, served chan struct{}) {
	t.Helper()
	s, err := NewServer(p)
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer(Options()...)
	s.Register(g)
	l := &lifetime{}
	l.set(g)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served = make(chan struct{})
	go func() {
		defer close(served)
		_ = g.Serve(lis)
		s.Close()
	}()
	go func() { <-s.drained; l.stop(lastWords) }()
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return pluginv1.NewPluginClient(conn), served
}

func TestClosingWaitsForAttemptsThatAreCutAtTheDeadline(t *testing.T) {
	var ended, closedAfter atomic.Bool
	started := make(chan struct{})
	client, served := serveTest(t, Plugin{Name: "x", Version: "1.0.0",
		Activities: []ActivityDef{Activity("wait", "", func(ctx context.Context, _ struct{}) (string, error) {
			close(started)
			<-ctx.Done()
			time.Sleep(100 * time.Millisecond) // as long as cleaning up takes
			ended.Store(true)
			return "", ctx.Err()
		})},
		Close: func(context.Context) error { closedAfter.Store(ended.Load()); return nil },
	})
	stream, err := client.Execute(t.Context())
	if err == nil {
		err = stream.Send(&pluginv1.ExecuteRequest{Msg: &pluginv1.ExecuteRequest_Start{Start: &pluginv1.Start{Activity: "wait"}}})
	}
	if err != nil {
		t.Fatal(err)
	}
	<-started
	drain, err := client.Drain(t.Context(), &pluginv1.DrainRequest{Deadline: durationpb.New(10 * time.Millisecond)})
	for err == nil {
		_, err = drain.Recv()
	}
	<-served
	if !closedAfter.Load() {
		t.Error("the plugin was closed under an attempt that was cleaning up")
	}
}

func TestARefusedConfigurationChangesNotEvenTheLogLevel(t *testing.T) {
	s, err := NewServer(Plugin{Name: "x", Version: "1.0.0",
		Activities: []ActivityDef{Activity("a", "", func(context.Context, struct{}) (string, error) { return "", nil })},
		Config: Config(func(_ context.Context, c struct {
			Bad bool `json:"bad,omitempty"`
		}) error {
			if c.Bad {
				return ConfigProblem("bad", "is not good")
			}
			return nil
		})})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		config, level string
		want          slog.Level
	}{{`{}`, "debug", slog.LevelDebug}, {`{"bad": true}`, "error", slog.LevelDebug}, {`{}`, "warn", slog.LevelWarn}} {
		if _, err := s.Configure(t.Context(), &pluginv1.ConfigureRequest{Config: []byte(step.config), LogLevel: step.level}); err != nil {
			t.Fatal(err)
		}
		if got := s.level.Level(); got != step.want {
			t.Errorf("after %s with level %s: got %v, want %v", step.config, step.level, got, step.want)
		}
	}
}
