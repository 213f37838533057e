// Package plugintest stands in for plugin processes in the tests of the host: a
// plugin's end of the wire, in memory, over real gRPC, that does what the test
// says and can crash at any moment. It works inside testing/synctest.
package plugintest

import (
	"context"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/hostcore/proc"
)

// Process is a plugin process that exists in memory only.
type Process struct {
	Server  *Server
	grpc    *grpc.Server
	conn    *grpc.ClientConn
	started time.Time
	done    chan struct{}
	served  chan struct{}

	end  sync.Once
	exit *proc.ExitError
}

var _ plugin.Process = (*Process)(nil)

// Start runs a plugin that s serves.
func Start(s *Server) (*Process, error) {
	l := bufconn.Listen(1 << 20)
	p := &Process{Server: s, grpc: grpc.NewServer(), started: time.Now(), done: make(chan struct{}), served: make(chan struct{})}
	s.register(p.grpc)
	go func() {
		defer close(p.served)
		_ = p.grpc.Serve(l) // ends with the process
	}()
	var err error
	p.conn, err = grpc.NewClient("passthrough:///plugin",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithIdleTimeout(0))
	return p, err
}

// Conn implements plugin.Process.
func (p *Process) Conn() *grpc.ClientConn { return p.conn }

// Pid implements plugin.Process.
func (p *Process) Pid() int { return 4711 }

// Started implements plugin.Process.
func (p *Process) Started() time.Time { return p.started }

// Done implements plugin.Process.
func (p *Process) Done() <-chan struct{} { return p.done }

// ExitState implements plugin.Process.
func (p *Process) ExitState() *proc.ExitError {
	select {
	case <-p.done:
		return p.exit
	default:
		return nil
	}
}

// Stop implements plugin.Process: it ends at once.
func (p *Process) Stop(context.Context, time.Duration) error {
	p.finish(&proc.ExitError{})
	return nil
}

// Crash ends the process as a fault of its own would.
func (p *Process) Crash() { p.finish(&proc.ExitError{Code: 2, Stderr: "panic: it was told to"}) }

// Running says whether it has not ended.
func (p *Process) Running() bool { return p.ExitState() == nil }

func (p *Process) finish(exit *proc.ExitError) {
	p.end.Do(func() {
		p.grpc.Stop()
		<-p.served
		_ = p.conn.Close()
		p.exit = exit
		close(p.done)
	})
	<-p.done
}
