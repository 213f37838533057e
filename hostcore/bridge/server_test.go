package bridge

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/connection"
	"github.com/orch-host/orch/hostcore/embedded/embeddedtest"
	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/hostcore/plugin/plugintest"
	"github.com/orch-host/orch/hostcore/router"
	"github.com/orch-host/orch/sdk/pluginv1"
)

// server is the Temporal server of this package's tests.
var server embeddedtest.Server

func TestMain(m *testing.M) {
	code := m.Run()
	server.Stop()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// wire is the way to the server; it can be cut.
type wire struct {
	net.Listener
	to string

	mu    sync.Mutex
	down  bool
	conns map[net.Conn]bool
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: l, to: to, conns: map[net.Conn]bool{}}
	t.Cleanup(func() { _ = l.Close(); w.cut(true) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.carry(c)
		}
	}()
	return w
}

func (w *wire) carry(c net.Conn) {
	far, err := net.Dial("tcp", w.to)
	if err != nil {
		_ = c.Close()
		return
	}
	w.mu.Lock()
	if w.down {
		_, _ = c.Close(), far.Close()
	} else {
		w.conns[c], w.conns[far] = true, true
	}
	w.mu.Unlock()
	var both sync.WaitGroup
	for _, ends := range [][2]net.Conn{{c, far}, {far, c}} {
		both.Go(func() {
			_, _ = io.Copy(ends[0], ends[1])
			_, _ = ends[0].Close(), ends[1].Close()
		})
	}
	both.Wait()
	w.mu.Lock()
	delete(w.conns, c)
	delete(w.conns, far)
	w.mu.Unlock()
}

// cut takes the server away, or brings it back.
func (w *wire) cut(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
	for c := range w.conns {
		if down {
			_ = c.Close()
		}
	}
}

// stage is a queue with plugins on a server.
type stage struct {
	router *router.Router
	client client.Client
	wire   *wire
	queue  *Queue
	name   string
}

// newStage polls a queue of its own.
func newStage(t *testing.T, o Options, q QueueOptions) *stage {
	t.Helper()
	s := &stage{router: o.Router, wire: newWire(t, server.Address(t, "../../bin/devserver")), name: strings.ReplaceAll(t.Name(), "/", "-") + "-queue"}
	dial := func(address string) client.Client {
		cfg := config.Default().Temporal
		cfg.Mode, cfg.Address, cfg.Namespace = config.ModeExternal, address, "default"
		c, err := connection.Dial(t.Context(), cfg, func(string) bool { return true }, slog.New(slog.DiscardHandler), connection.Telemetry{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		own, err := c.For("")
		if err != nil {
			t.Fatal(err)
		}
		return own
	}
	s.client = dial(s.wire.to)
	o.Logger = slog.New(slog.DiscardHandler)
	q.Service, q.TaskQueue, q.Client = "svc", s.name, dial(s.wire.Addr().String())
	var err error
	if s.queue, err = New(o).Open(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.queue.Stop)
	return s
}

// offer puts a plugin with one activity into a router.
func offer(t *testing.T, r *router.Router, name, activity string, execution func(stream) error) *plugin.Instance {
	t.Helper()
	s := plugintest.NewServer(plugintest.Manifest(name, "1.0.0", activity))
	s.Execution = execution
	p, err := plugintest.Start(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Crash)
	i, err := plugin.Connect(t.Context(), p, plugin.Binary{Source: "/plugins/" + name, Digest: name})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Switch(i); err != nil {
		t.Fatal(err)
	}
	return i
}

// begin runs an activity on its own.
func (s *stage) begin(t *testing.T, activity string, attempts int32) client.ActivityHandle {
	t.Helper()
	h, err := s.client.ExecuteActivity(t.Context(), client.StartActivityOptions{
		ID: fmt.Sprintf("%s-%d", s.name, time.Now().UnixNano()), TaskQueue: s.name, StartToCloseTimeout: time.Minute, HeartbeatTimeout: 30 * time.Second,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: 10 * time.Millisecond, MaximumAttempts: attempts},
	}, activity, "in")
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// ticking plays an attempt that lives for so long with a heartbeat every 100 ms, unless it is cancelled.
func ticking(s stream, begun chan<- struct{}, lives time.Duration) error {
	if _, err := s.Recv(); err != nil {
		return err
	}
	begun <- struct{}{}
	canceled := make(chan struct{})
	go func() {
		if r, err := s.Recv(); err == nil && r.GetCancel() != nil {
			close(canceled)
		}
	}()
	over, tick := time.After(lives), time.NewTicker(100*time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-canceled:
			return s.Send(&pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Failure{Failure: &pluginv1.Failure{Message: "gave up", Canceled: true}}})
		case <-over:
			return s.Send(&pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Result{Result: &pluginv1.Result{}}})
		case <-tick.C:
			if err := s.Send(&pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Heartbeat{Heartbeat: &pluginv1.Heartbeat{}}}); err != nil {
				return err
			}
		}
	}
}

func TestAnOutageOfTheServerDoesNotCancelWhatRuns(t *testing.T) {
	r, begun := router.New(), make(chan struct{}, 1)
	offer(t, r, "a", "x", func(s stream) error { return ticking(s, begun, 8*time.Second) })
	s := newStage(t, Options{Router: r}, QueueOptions{})
	h := s.begin(t, "x", 1)
	<-begun
	s.wire.cut(true)
	time.Sleep(4 * time.Second)
	s.wire.cut(false)
	if err := h.Get(t.Context(), nil); err != nil {
		t.Errorf("the attempt did not outlive 4 s without a server: %v", err)
	}
}
func TestAWorkerThatIsReplacedLetsItsAttemptsFinish(t *testing.T) {
	r, begun := router.New(), make(chan struct{}, 1)
	offer(t, r, "a", "x", func(s stream) error { return ticking(s, begun, lostAfter+5*time.Second) })
	other := offer(t, r, "b", "y", nil)
	s := newStage(t, Options{Router: r, Grace: time.Second}, QueueOptions{
		StopTimeout: 2 * time.Second, Missing: func() []string { return r.Missing([]string{"x", "y"}) },
	})
	h := s.begin(t, "x", 1)
	<-begun
	r.Withdraw(other)
	if err := h.Get(t.Context(), nil); err != nil {
		t.Errorf("an attempt in one plugin ended because another plugin was away: %v", err)
	}
}

func TestAnAttemptWaitsForItsPluginThoughTheWorkerIsReplaced(t *testing.T) {
	r := router.New()
	first := offer(t, r, "a", "x", nil)
	s := newStage(t, Options{Router: r, Expected: func(string) bool { return true }, AwaitRoute: 20 * time.Second}, QueueOptions{
		Missing: func() []string { return r.Missing([]string{"x"}) },
	})
	if err := s.begin(t, "x", 1).Get(t.Context(), nil); err != nil { // it is polled now, and the next poll is under way
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	r.Withdraw(first)
	h := s.begin(t, "x", 1)
	time.Sleep(lostAfter + 2*time.Second)
	offer(t, r, "a", "x", nil)
	if err := h.Get(t.Context(), nil); err != nil {
		t.Errorf("the attempt did not wait for its plugin: %v", err)
	}
}

func TestAQueueThatIsStoppedEndsItsAttemptsInTime(t *testing.T) {
	for _, tt := range []struct {
		name           string
		timeout, bound time.Duration
	}{
		{"when their time is over", 3 * time.Second, 4 * time.Second},
		{"at once", 0, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, begun := router.New(), make(chan struct{}, 1)
			offer(t, r, "a", "x", func(s stream) error { return ticking(s, begun, time.Minute) })
			s := newStage(t, Options{Router: r, Grace: time.Second}, QueueOptions{StopTimeout: tt.timeout})
			h := s.begin(t, "x", 1)
			<-begun
			asked := time.Now()
			s.queue.Stop()
			if took := time.Since(asked); took > tt.bound {
				t.Errorf("it took %s", took)
			}
			err := h.Get(t.Context(), nil)
			var app *temporal.ApplicationError
			if !errors.As(err, &app) || app.Type() != typeWorkerStop {
				t.Errorf("the attempt ended with %v", err)
			}
		})
	}
}

func TestDetailsOutliveAWaitForThePlugin(t *testing.T) {
	payload := func(text string) *pluginv1.Payload {
		return &pluginv1.Payload{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(text)}
	}
	r, seen := router.New(), make(chan []*pluginv1.Payload, 3)
	play := func(s stream) error {
		req, err := s.Recv()
		if err != nil {
			return err
		}
		seen <- req.GetStart().GetLastHeartbeat()
		beat := &pluginv1.Heartbeat{Details: []*pluginv1.Payload{payload(`"/dump"`), payload(`42`)}}
		if err := s.Send(&pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Heartbeat{Heartbeat: beat}}); err != nil {
			return err
		}
		return s.Send(&pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Failure{Failure: &pluginv1.Failure{Message: "once more", NextRetryDelay: durationpb.New(2 * time.Second)}}})
	}
	first := offer(t, r, "a", "x", play)
	s := newStage(t, Options{Router: r, Expected: func(string) bool { return true }, AwaitRoute: 2500 * time.Millisecond}, QueueOptions{})
	h := s.begin(t, "x", 3)
	if got := <-seen; len(got) > 0 {
		t.Fatalf("details before anybody stored some: %v", got)
	}
	r.Withdraw(first) // the second attempt waits for it in vain
	time.Sleep(5 * time.Second)
	offer(t, r, "a", "x", play)
	if err := h.Get(t.Context(), nil); err == nil {
		t.Fatal("the activity has not failed")
	}
	if got := <-seen; len(got) != 2 || string(got[0].GetData()) != `"/dump"` || string(got[1].GetData()) != `42` {
		t.Errorf("the third attempt got the details %v", got)
	}
}
