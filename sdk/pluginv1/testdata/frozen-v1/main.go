// Command frozen is a plugin that knows the wire contract, major version 1, and
// nothing else: no SDK, no go-plugin. It is built from the copy of the contract
// beside it, as a plugin of the first release would be.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pluginv1 "example.com/frozen/wire"
)

// The handshake of version 1, written down a second time on purpose.
const (
	cookieKey   = "ORCH_PLUGIN"
	cookieValue = "a7a7ff220e81089d2aa12c20bccad60a36e11ad98088d4f0510f30f8d50a534e"
	maxMessage  = 64 << 20
)

func main() {
	if len(os.Args) != 2 || os.Args[1] != "serve" || os.Getenv(cookieKey) != cookieValue {
		fmt.Fprintln(os.Stderr, "this is an Orch plugin: copy it into the host's plugin folder")
		os.Exit(2)
	}
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve() error {
	socket := filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), "frozen.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	handshake, err := inherited("ORCH_HANDSHAKE_FD")
	if err != nil {
		return err
	}
	liveness, err := inherited("ORCH_LIVENESS_FD")
	if err != nil {
		return err
	}
	g := grpc.NewServer(grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage))
	f := &frozen{stop: func() { time.AfterFunc(50*time.Millisecond, g.Stop) }}
	pluginv1.RegisterPluginServer(g, f)
	go func() {
		_, _ = io.Copy(io.Discard, liveness) // returns when the host is gone
		os.Exit(0)
	}()
	terms := make(chan os.Signal, 1)
	signal.Notify(terms, syscall.SIGTERM)
	go func() {
		<-terms
		g.Stop()
	}()
	if _, err := fmt.Fprintf(handshake, "1|1|unix|%s|grpc|\n", socket); err != nil {
		return err
	}
	return g.Serve(l)
}

func inherited(env string) (*os.File, error) {
	fd, err := strconv.Atoi(os.Getenv(env))
	if err != nil {
		return nil, fmt.Errorf("%s holds no number", env)
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), env), nil
}

type frozen struct {
	pluginv1.UnimplementedPluginServer
	stop func()

	mu       sync.Mutex
	running  int
	draining bool
}

func (f *frozen) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.Manifest, error) {
	return &pluginv1.Manifest{
		Group: "frozen", Name: "frozen", Version: "1.0.0", Sdk: "none", Language: "go",
		Activities: []*pluginv1.ActivitySpec{
			{Name: "frozen_echo", Doc: "Gives back what it gets.", Idempotent: true, InputSchema: []byte(`{"type":"object"}`)},
			{Name: "frozen_wait", Doc: "Waits until it is cancelled."},
		},
	}, nil
}

func (f *frozen) Configure(_ context.Context, r *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
	var table map[string]any
	if err := json.Unmarshal(r.GetConfig(), &table); err != nil || len(table) > 0 {
		return &pluginv1.ConfigureResponse{Problems: []*pluginv1.Problem{{Message: "this plugin takes no configuration"}}}, nil
	}
	return &pluginv1.ConfigureResponse{}, nil
}

func (f *frozen) Execute(stream pluginv1.Plugin_ExecuteServer) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	start := first.GetStart()
	if start == nil {
		return status.Error(codes.InvalidArgument, "the first message must be Start")
	}
	f.mu.Lock()
	refused := f.draining
	if !refused {
		f.running++
	}
	f.mu.Unlock()
	if refused {
		return failed(stream, &pluginv1.Failure{Type: "Draining", Message: "it is being replaced"})
	}
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.running--
	}()
	switch start.GetActivity() {
	case "frozen_echo":
		return stream.Send(&pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Result{Result: &pluginv1.Result{Output: start.GetInput()}}})
	case "frozen_wait":
		return wait(stream)
	}
	return status.Errorf(codes.Unimplemented, "no activity %q", start.GetActivity())
}

func failed(stream pluginv1.Plugin_ExecuteServer, f *pluginv1.Failure) error {
	return stream.Send(&pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Failure{Failure: f}})
}

func wait(stream pluginv1.Plugin_ExecuteServer) error {
	canceled := make(chan struct{})
	go func() {
		defer close(canceled)
		for {
			r, err := stream.Recv()
			if err != nil || r.GetCancel() != nil {
				return
			}
		}
	}()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := stream.Send(&pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Heartbeat{Heartbeat: &pluginv1.Heartbeat{}}}); err != nil {
				return err
			}
		case <-canceled:
			return failed(stream, &pluginv1.Failure{Type: "Canceled", Message: "cancelled", Canceled: true})
		}
	}
}

func (f *frozen) Watch(_ *pluginv1.WatchRequest, stream pluginv1.Plugin_WatchServer) error {
	if err := stream.Send(&pluginv1.Status{Health: pluginv1.Status_READY}); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

func (f *frozen) Drain(_ *pluginv1.DrainRequest, stream pluginv1.Plugin_DrainServer) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		f.mu.Lock()
		f.draining = true
		running := f.running
		f.mu.Unlock()
		if err := stream.Send(&pluginv1.DrainProgress{InFlight: uint32(running)}); err != nil {
			return err
		}
		if running == 0 {
			f.stop()
			return nil
		}
		select {
		case <-tick.C:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}
