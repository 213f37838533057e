package dev

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/hostcore/proc"
)

// process is the connection to a plugin that somebody else runs, in the shape
// of a process that ends when the connection does.
type process struct {
	conn    *grpc.ClientConn
	started time.Time
	done    chan struct{}
	watcher sync.WaitGroup

	mu   sync.Mutex
	exit *proc.ExitError
}

var _ plugin.Process = (*process)(nil)

// dial connects and waits until the plugin accepts calls.
func dial(ctx context.Context, address string) (*process, error) {
	conn, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy(), grpc.WithIdleTimeout(0),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(proc.MaxMessage), grpc.MaxCallSendMsgSize(proc.MaxMessage)))
	if err != nil {
		return nil, fmt.Errorf("the address %q cannot be used, want unix:/path or host:port: %w", address, err)
	}
	conn.Connect()
	for state := conn.GetState(); state != connectivity.Ready; state = conn.GetState() {
		if state == connectivity.TransientFailure || !conn.WaitForStateChange(ctx, state) {
			_ = conn.Close() // it was never used
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, fmt.Errorf("nothing accepts connections at %s", address)
		}
	}
	p := &process{conn: conn, started: time.Now(), done: make(chan struct{})}
	p.watcher.Go(p.watch)
	return p, nil
}

// watch ends the process when the connection leaves the ready state.
func (p *process) watch() {
	p.conn.WaitForStateChange(context.Background(), connectivity.Ready)
	p.end(&proc.ExitError{Code: -1, Uptime: time.Since(p.started), Stderr: "(attached) the connection was lost"})
	_ = p.conn.Close() // else gRPC would connect again behind our back
}

func (p *process) end(e *proc.ExitError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.exit == nil {
		p.exit = e
		close(p.done)
	}
}

func (p *process) Conn() *grpc.ClientConn { return p.conn }
func (p *process) Pid() int               { return 0 }
func (p *process) Started() time.Time     { return p.started }
func (p *process) Done() <-chan struct{}  { return p.done }

func (p *process) ExitState() *proc.ExitError {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exit
}

// Stop lets go of the plugin, which goes on under its developer.
func (p *process) Stop(context.Context, time.Duration) error {
	p.end(&proc.ExitError{Uptime: time.Since(p.started), Requested: true})
	err := p.conn.Close()
	p.watcher.Wait()
	if err != nil && p.ExitState().Requested {
		return fmt.Errorf("let go of the attached plugin: %w", err)
	}
	return nil
}
