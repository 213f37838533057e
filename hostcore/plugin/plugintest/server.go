package plugintest

import (
	"context"
	"sync"

	"google.golang.org/grpc"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// Server is the plugin's end of the wire.
type Server struct {
	pluginv1.UnimplementedPluginServer
	Manifest *pluginv1.Manifest
	// Execution plays an attempt; nil: it answers with its input.
	Execution func(stream grpc.BidiStreamingServer[pluginv1.ExecuteRequest, pluginv1.ExecuteEvent]) error

	mu      sync.Mutex
	health  *pluginv1.Status
	changed chan struct{}
	hungUp  chan struct{}
	watches int
}

// NewServer makes a plugin that is ready and echoes.
func NewServer(m *pluginv1.Manifest) *Server {
	return &Server{Manifest: m, health: &pluginv1.Status{Health: pluginv1.Status_READY}, changed: make(chan struct{}), hungUp: make(chan struct{})}
}

func (s *Server) register(g *grpc.Server) { pluginv1.RegisterPluginServer(g, s) }

// Report pushes a health to everybody who watches.
func (s *Server) Report(h pluginv1.Status_Health, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.health = &pluginv1.Status{Health: h, Message: message}
	close(s.changed)
	s.changed = make(chan struct{})
}

// HangUp ends the streams of everybody who watches.
func (s *Server) HangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.hungUp)
	s.hungUp = make(chan struct{})
}

// Watches is how often somebody has begun to watch.
func (s *Server) Watches() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watches
}

// Describe implements the wire contract.
func (s *Server) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.Manifest, error) {
	return s.Manifest, nil
}

// Configure implements the wire contract: everything is accepted.
func (s *Server) Configure(context.Context, *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
	return &pluginv1.ConfigureResponse{}, nil
}

// Watch implements the wire contract.
func (s *Server) Watch(_ *pluginv1.WatchRequest, stream grpc.ServerStreamingServer[pluginv1.Status]) error {
	s.mu.Lock()
	s.watches++
	hungUp := s.hungUp
	s.mu.Unlock()
	for {
		s.mu.Lock()
		health, changed := s.health, s.changed
		s.mu.Unlock()
		if err := stream.Send(health); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-hungUp:
			return nil
		case <-stream.Context().Done():
			return nil
		}
	}
}

// Drain implements the wire contract: nothing is left.
func (s *Server) Drain(_ *pluginv1.DrainRequest, stream grpc.ServerStreamingServer[pluginv1.DrainProgress]) error {
	return stream.Send(&pluginv1.DrainProgress{})
}

// Execute implements the wire contract.
func (s *Server) Execute(stream grpc.BidiStreamingServer[pluginv1.ExecuteRequest, pluginv1.ExecuteEvent]) error {
	if s.Execution != nil {
		return s.Execution(stream)
	}
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	return stream.Send(&pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Result{Result: &pluginv1.Result{Output: first.GetStart().GetInput()}}})
}

// Manifest describes a plugin whose group is its name.
func Manifest(name, version string, activities ...string) *pluginv1.Manifest {
	m := &pluginv1.Manifest{Group: name, Name: name, Version: version}
	for _, a := range activities {
		m.Activities = append(m.Activities, &pluginv1.ActivitySpec{Name: a})
	}
	return m
}
