package ready

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/orch-host/orch/sdk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func final(err error) bool {
	var e *sdk.Error
	return errors.As(err, &e) && e.NonRetryable
}

// server accepts connections and lets serve answer each.
func server(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

func TestBoltBelievesOnlyAVersionThatItOffered(t *testing.T) {
	tests := []struct {
		name   string
		answer string
		want   string // "": ready
	}{
		{"5.8", "\x00\x00\x08\x05", ""},
		{"5.0", "\x00\x00\x00\x05", ""},
		{"4.4", "\x00\x00\x04\x04", ""},
		{"3", "\x00\x00\x00\x03", ""},
		{"no common version", "\x00\x00\x00\x00", "none of Bolt"},
		{"a version that was not offered", "\x00\x00\x00\x06", "not offered"},
		{"4.0, which was not offered", "\x00\x00\x00\x04", "not offered"},
		{"HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP port"},
		{"half an answer", "\x00\x00", "no answer"},
		{"nothing", "", "no answer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var hello bytes.Buffer
			addr := server(t, func(c net.Conn) {
				_, _ = io.CopyN(&hello, c, 20)
				_, _ = c.Write([]byte(tt.answer))
			})
			err := Bolt(addr)(t.Context())
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("error %v, want ready", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want %q", err, tt.want)
			}
			want := []byte{0x60, 0x60, 0xB0, 0x17, 0, 8, 8, 5, 0, 2, 4, 4, 0, 0, 1, 4, 0, 0, 0, 3}
			if !bytes.Equal(hello.Bytes(), want) {
				t.Errorf("handshake % x, want % x", hello.Bytes(), want)
			}
		})
	}
}

func TestBoltEndsWithItsContext(t *testing.T) {
	hold := make(chan struct{})
	addr := server(t, func(net.Conn) { <-hold })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	err := Bolt(addr)(ctx)
	close(hold)
	if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error %v, want the deadline of the cancelled context", err)
	}
}

func TestHTTPTellsWhatTheComponentAnswers(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		opts   HTTPOptions
		want   string
		final  bool
	}{
		{"2xx", 204, "", HTTPOptions{}, "", false},
		{"not ready yet", 503, "starting\nsecond line", HTTPOptions{}, "503 Service Unavailable: starting", false},
		{"redirects are not followed", 302, "", HTTPOptions{}, "302", false},
		{"the status that is expected", 404, "", HTTPOptions{Status: 404}, "", false},
		{"the wrong body", 200, "hello", HTTPOptions{Contains: "ok"}, `without "ok"`, false},
		{"a refusal is final", 401, "", HTTPOptions{Refused: "set the key"}, "set the key", true},
		{"a refusal without advice is not", 403, "", HTTPOptions{}, "403", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}))
			defer s.Close()
			err := HTTP(s.URL, tt.opts)(t.Context())
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("error %v, want ready", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if final(err) != tt.final {
				t.Errorf("final %v, want %v", final(err), tt.final)
			}
			if err != nil && strings.Contains(err.Error(), "second line") {
				t.Errorf("error %q has more than a line of the body", err)
			}
		})
	}
}

func TestGRPCHealthTellsStatusAndRefusal(t *testing.T) {
	h := health.NewServer()
	h.SetServingStatus("sick", healthpb.HealthCheckResponse_NOT_SERVING)
	refuse := false
	s := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		if refuse {
			return nil, status.Error(codes.PermissionDenied, "key")
		}
		return next(ctx, req)
	}))
	healthpb.RegisterHealthServer(s, h)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	defer func() { s.Stop(); <-done }()
	addr := l.Addr().String()
	if err := GRPCHealth(addr, GRPCOptions{})(t.Context()); err != nil {
		t.Errorf("serving: %v", err)
	}
	if err := GRPCHealth(addr, GRPCOptions{Service: "sick"})(t.Context()); err == nil || !strings.Contains(err.Error(), "NOT_SERVING") || final(err) {
		t.Errorf("not serving: %v", err)
	}
	refuse = true
	if err := GRPCHealth(addr, GRPCOptions{Refused: "set the key"})(t.Context()); !final(err) || !strings.Contains(err.Error(), "set the key") {
		t.Errorf("refused: %v, want it final", err)
	}
	if err := GRPCHealth("", GRPCOptions{})(t.Context()); err == nil {
		t.Error("no address was ready")
	}
}

func TestPollWaitsForSuccessesInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []error{errors.New("no"), nil, errors.New("no"), nil, nil, nil}
		asked := 0
		err := Poll(t.Context(), func(context.Context) error { asked++; return answers[asked-1] }, PollOptions{Every: time.Second, Consecutive: 3})
		if err != nil || asked != 6 {
			t.Errorf("%v after %d questions, want ready after 6", err, asked)
		}
	})
}

func TestPollGivesUpInTimeOrAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := Poll(t.Context(), func(context.Context) error { return errors.New("still starting") }, PollOptions{Timeout: time.Minute, What: "Loki"})
		if err == nil || err.Error() != "Loki is not ready after 1m0s: still starting" || time.Since(began) != time.Minute {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		began = time.Now()
		err = Poll(t.Context(), func(context.Context) error { return sdk.NonRetryable(errors.New("wrong key")) }, PollOptions{})
		if !final(err) || time.Since(began) != 0 {
			t.Errorf("%v after %s, want a final error at once", err, time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		began = time.Now()
		err = Poll(ctx, func(context.Context) error { return errors.New("no") }, PollOptions{})
		if !errors.Is(err, context.Canceled) || time.Since(began) != 3*time.Second {
			t.Errorf("%v after %s, want cancelled after 3s", err, time.Since(began))
		}
	})
}

func TestAllStopsAtTheFirstThatIsNotReady(t *testing.T) {
	var asked []int
	p := func(i int, err error) Probe {
		return func(context.Context) error { asked = append(asked, i); return err }
	}
	no := errors.New("no")
	if err := All(p(1, nil), p(2, no), p(3, nil))(t.Context()); !errors.Is(err, no) || len(asked) != 2 {
		t.Errorf("%v after %v", err, asked)
	}
	if err := TCP(server(t, func(net.Conn) {}))(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestThePollThatEndsInTheMiddleOfAQuestionTellsTheAnswerBefore: the time that
// is left for the last question says nothing about the component.
func TestThePollThatEndsInTheMiddleOfAQuestionTellsTheAnswerBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		err := Poll(t.Context(), func(ctx context.Context) error {
			if asked++; asked == 1 {
				return errors.New("no connections")
			}
			<-ctx.Done()
			return ctx.Err()
		}, PollOptions{Every: 500 * time.Millisecond, Timeout: 1200 * time.Millisecond, What: "it"})
		if asked != 2 || err == nil || !strings.Contains(err.Error(), "it is not ready after 1.2s: no connections") {
			t.Errorf("%v after %d questions, want the answer to the first", err, asked)
		}
		err = Poll(t.Context(), func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, PollOptions{Timeout: time.Second})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the only answer that there was", err)
		}
	})
}
