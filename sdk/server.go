package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// Server serves one [Plugin] over gRPC. [Serve] makes one; so does sdktest.
type Server struct {
	pluginv1.UnimplementedPluginServer
	plugin Plugin
	defs   map[string]*ActivityDef
	level  *levelVar
	health *healthBoard
	// attached: a developer runs the process, hosts come and go.
	attached bool

	trim        sync.Once  // gives back what starting up took, a few MB in each process
	configuring sync.Mutex // one Configure at a time
	closed      sync.Once

	mu        sync.Mutex
	readiness context.CancelFunc // ends asking Plugin.Ready
	stateDir  string
	running   map[string]int // attempts by activity
	inFlight  int
	draining  bool
	idle      chan struct{} // closed when draining and inFlight is 0
	drained   chan struct{} // closed when the process may exit
}

// NewServer checks the plugin's description and prepares to serve it.
func NewServer(p Plugin) (*Server, error) {
	p, err := p.withDefaults()
	if err != nil {
		return nil, err
	}
	if p.Config.err != nil {
		return nil, fmt.Errorf("plugin %s: configuration type: %w", p.Name, p.Config.err)
	}
	s := &Server{plugin: p, defs: map[string]*ActivityDef{}, level: &levelVar{}, health: newHealthBoard(),
		running: map[string]int{}, idle: make(chan struct{}), drained: make(chan struct{})}
	for i := range p.Activities {
		s.defs[p.Activities[i].name] = &p.Activities[i]
	}
	return s, nil
}

// Manifest is what Describe answers.
func (s *Server) Manifest() *pluginv1.Manifest { return s.plugin.manifest() }

// Options are the gRPC server options that the wire contract asks for.
func Options() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxMessageBytes), grpc.MaxSendMsgSize(maxMessageBytes),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.InitialWindowSize(streamWindowSize), grpc.InitialConnWindowSize(2 * streamWindowSize),
	}
}

// Register adds the service to a gRPC server made with [Options].
func (s *Server) Register(g *grpc.Server) { pluginv1.RegisterPluginServer(g, s) }

// Describe implements the wire contract.
func (s *Server) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.Manifest, error) {
	return s.Manifest(), nil
}

// Configure implements the wire contract.
func (s *Server) Configure(ctx context.Context, req *pluginv1.ConfigureRequest) (_ *pluginv1.ConfigureResponse, err error) {
	s.configuring.Lock()
	defer s.configuring.Unlock()
	level, accepted := s.level.Level(), false
	defer func() {
		if v := recover(); v != nil {
			err = status.Errorf(codes.Internal, "the configuration function panicked: %v", v)
		}
		if !accepted {
			s.level.Set(level)
		}
	}()
	if req.GetLogLevel() != "" {
		var l slog.Level
		if l.UnmarshalText([]byte(req.GetLogLevel())) == nil {
			s.level.Set(l)
		}
	}
	if s.plugin.Config.apply != nil {
		data := req.GetConfig()
		if len(data) == 0 {
			data = []byte("{}")
		}
		cctx := context.WithValue(ctx, stateDirKey{}, req.GetStateDir())
		if err := s.plugin.Config.apply(cctx, data); err != nil {
			return &pluginv1.ConfigureResponse{Problems: problemsOf(err)}, nil
		}
	} else if c := string(req.GetConfig()); c != "" && c != "{}" && c != "null" {
		return &pluginv1.ConfigureResponse{Problems: []*pluginv1.Problem{{Message: "this plugin takes no configuration"}}}, nil
	}
	s.mu.Lock()
	s.stateDir = req.GetStateDir()
	s.mu.Unlock()
	accepted = true
	s.awaitReady()
	s.trim.Do(func() { go debug.FreeOSMemory() })
	return &pluginv1.ConfigureResponse{}, nil
}

// awaitReady asks Plugin.Ready until it says yes; s.configuring is held.
func (s *Server) awaitReady() {
	if s.plugin.Ready == nil {
		s.health.set(pluginv1.Status_READY, "")
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.mu.Lock()
	if s.readiness != nil {
		s.readiness()
	}
	s.readiness = cancel
	s.mu.Unlock()
	s.health.set(pluginv1.Status_STARTING, "")
	go func() {
		for ctx.Err() == nil {
			err := s.askReady(ctx)
			if err == nil {
				s.health.setUnless(ctx, pluginv1.Status_READY, "")
				return
			}
			s.health.setUnless(ctx, pluginv1.Status_STARTING, err.Error())
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}()
}

// askReady asks Plugin.Ready once. A panic is an answer, and the host learns
// that there is none when the time is over.
func (s *Server) askReady(ctx context.Context) (err error) {
	asked, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	told := make(chan struct{})
	stop := context.AfterFunc(asked, func() {
		defer close(told)
		s.health.setUnless(ctx, pluginv1.Status_STARTING, fmt.Sprintf("the Ready function has not answered for %s", readyTimeout))
	})
	defer func() {
		if v := recover(); v != nil {
			slog.Error("the Ready function panicked", "panic", v, "stack", string(debug.Stack()))
			err = fmt.Errorf("the Ready function panicked: %v", v)
		}
		if !stop() {
			<-told // before the answer is
		}
	}()
	return s.plugin.Ready(asked)
}

// Execute implements the wire contract: one activity attempt.
func (s *Server) Execute(stream grpc.BidiStreamingServer[pluginv1.ExecuteRequest, pluginv1.ExecuteEvent]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	start := first.GetStart()
	if start == nil {
		return status.Error(codes.InvalidArgument, "the first message of Execute must be Start")
	}
	def, ok := s.defs[start.GetActivity()]
	if !ok {
		return status.Errorf(codes.Unimplemented, "plugin %s %s has no activity %q", s.plugin.Name, s.plugin.Version, start.GetActivity())
	}
	if refusal := s.begin(def); refusal != nil {
		return stream.Send(&pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Failure{Failure: failureOf(stream.Context(), refusal)}})
	}
	defer s.end(def)
	a := newAttempt(stream, start)
	a.level = s.level
	s.mu.Lock()
	a.stateDir = s.stateDir
	s.mu.Unlock()
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	go func() { // ends with the stream, which this handler's return ends
		for {
			req, err := stream.Recv()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					cancel(err)
				}
				return
			}
			if c := req.GetCancel(); c != nil {
				a.softCancel(cancel, c)
			}
		}
	}()
	return a.run(ctx, def)
}

// begin counts an attempt in, or says why it cannot run now.
func (s *Server) begin(def *ActivityDef) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return RetryAfter(Fail(TypeDraining, "plugin %s %s is being replaced", s.plugin.Name, s.plugin.Version), 100*time.Millisecond)
	}
	if def.maxConcurrent > 0 && s.running[def.name] >= def.maxConcurrent {
		return RetryAfter(Fail(TypeBusy, "activity %s already runs %d times, its limit", def.name, def.maxConcurrent), time.Second)
	}
	s.running[def.name]++
	s.inFlight++
	return nil
}

func (s *Server) end(def *ActivityDef) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running[def.name]--
	s.inFlight--
	if s.draining && s.inFlight == 0 {
		close(s.idle)
	}
}

// startDraining refuses new attempts from now on.
func (s *Server) startDraining() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return
	}
	s.draining = true
	s.health.set(pluginv1.Status_DRAINING, "")
	if s.inFlight == 0 {
		close(s.idle)
	}
}

func (s *Server) load() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return uint32(s.inFlight)
}

// Drain implements the wire contract.
func (s *Server) Drain(req *pluginv1.DrainRequest, stream grpc.ServerStreamingServer[pluginv1.DrainProgress]) error {
	if s.attached {
		return stream.Send(&pluginv1.DrainProgress{InFlight: s.load()})
	}
	s.startDraining()
	deadline := time.NewTimer(req.GetDeadline().AsDuration())
	defer deadline.Stop()
	report := time.NewTicker(time.Second)
	defer report.Stop()
	for {
		n := s.load()
		if err := stream.Send(&pluginv1.DrainProgress{InFlight: n}); err != nil {
			return err
		}
		if n == 0 {
			s.finish()
			return nil
		}
		select {
		case <-s.idle:
		case <-report.C:
		case <-deadline.C:
			s.finish()
			return stream.Send(&pluginv1.DrainProgress{InFlight: s.load()})
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// finish lets the process exit.
func (s *Server) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.drained:
	default:
		close(s.drained)
	}
}

// Close ends what serving has begun, once the gRPC server has stopped: nobody
// asks Plugin.Ready any more, attempts that were cut return, Plugin.Close runs.
func (s *Server) Close() {
	s.closed.Do(func() {
		s.startDraining()
		s.mu.Lock()
		if s.readiness != nil {
			s.readiness()
		}
		s.mu.Unlock()
		select {
		case <-s.idle:
		case <-time.After(cutTimeout):
			slog.Warn("the plugin is closed while attempts still run, which do not heed their context", "attempts", s.load())
		}
		if s.plugin.Close == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		if err := s.plugin.Close(ctx); err != nil {
			slog.Error("closing the plugin failed", "error", err)
		}
	})
}

// Watch implements the wire contract.
func (s *Server) Watch(_ *pluginv1.WatchRequest, stream grpc.ServerStreamingServer[pluginv1.Status]) error {
	for {
		h, changed := s.health.get()
		if err := stream.Send(&pluginv1.Status{Health: h.health, Message: h.message, InFlight: s.load()}); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-stream.Context().Done():
			return nil
		}
	}
}
