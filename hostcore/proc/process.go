package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
)

// killWait bounds the wait for a process that was sent SIGKILL. Only one that
// hangs in the kernel, on a dead network disk for example, takes longer.
const killWait = 5 * time.Second

// Process is one running plugin process. All methods may be called at any time
// and from any goroutine.
type Process struct {
	spec   Spec
	child  *child
	out    *output
	dir    *socketDir
	cancel context.CancelFunc // ends what depends on the process's life
	life   context.Context
	tasks  sync.WaitGroup

	done chan struct{}
	exit *ExitError // set when done is closed

	mu    sync.Mutex
	conn  *grpc.ClientConn
	ended bool // finish has taken over: no connection can be attached any more
}

// Conn is the connection to the plugin. Calls on it fail with Unavailable once
// the process has ended; ExitState tells why.
func (p *Process) Conn() *grpc.ClientConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conn
}

// Pid is the process id, which is also the id of its process group.
func (p *Process) Pid() int { return p.child.pid }

// Started is when the process was executed.
func (p *Process) Started() time.Time { return p.child.started }

// Done is closed when the process has ended, its output is read and nothing of
// it is left.
func (p *Process) Done() <-chan struct{} { return p.done }

// ExitState tells how the process ended; nil while it runs.
func (p *Process) ExitState() *ExitError {
	select {
	case <-p.done:
		return p.exit
	default:
		return nil
	}
}

// Err is ExitState as an error; nil while the process runs.
func (p *Process) Err() error {
	if e := p.ExitState(); e != nil {
		return e
	}
	return nil
}

// Stderr is the end of what the process has printed, at most 64 KB.
func (p *Process) Stderr() string { return p.out.tail.String() }

// Limits tells which of the limits asked for are in force, and by what.
func (p *Process) Limits() []LimitState { return p.child.limits }

// Signal sends sig to the process group. After the end it returns
// os.ErrProcessDone. It does not count as a request to end.
func (p *Process) Signal(sig syscall.Signal) error { return p.child.signal(sig, false) }

// Stop ends the process: SIGTERM to its group, SIGKILL after grace or when ctx
// ends, whichever is first. It returns when Done is closed. The error says that
// the kernel did not let the process die within 5 s; a process that has already
// ended is none.
func (p *Process) Stop(ctx context.Context, grace time.Duration) error {
	if err := p.child.signal(syscall.SIGTERM, true); err != nil && !errors.Is(err, os.ErrProcessDone) {
		grace = 0
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
	case <-ctx.Done():
	}
	p.child.kill()
	last := time.NewTimer(killWait)
	defer last.Stop()
	select {
	case <-p.done:
		return nil
	case <-last.C:
		return fmt.Errorf("plugin %s: process %d does not die, it hangs in the kernel; see /proc/%d/stack",
			p.spec.Name, p.Pid(), p.Pid())
	}
}

// attach makes conn the process's, or closes it and returns false when the
// process has ended meanwhile.
func (p *Process) attach(conn *grpc.ClientConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		_ = conn.Close()
		return false
	}
	p.conn = conn
	p.tasks.Go(func() {
		stdout, stderr := p.out.writer("stdout", false, false), p.out.writer("stderr", false, false)
		followStdio(p.life, conn, stdout, stderr)
		_ = stdout.Close()
		_ = stderr.Close()
	})
	return true
}

// finish waits for the end of the process and clears up after it.
func (p *Process) finish() {
	<-p.child.exited
	p.cancel()
	if !p.child.cg.kill() {
		killEscaped(p.dir.path)
	}
	p.out.drain()
	p.mu.Lock()
	p.ended = true
	conn := p.conn
	p.mu.Unlock()
	if conn != nil {
		_ = conn.Close()
	}
	p.tasks.Wait()
	p.child.cg.remove()
	p.dir.remove()
	select {
	case <-p.out.fwd.done:
	case <-time.After(DrainTime): // a log handler hangs; its lines may come later
	}
	exit := *p.child.exit
	exit.Stderr = p.out.tail.excerpt()
	p.exit = &exit
	close(p.done)
}

// retry calls f until it is true, for about a second.
func retry(f func() bool) {
	for wait := time.Millisecond; !f() && wait < 600*time.Millisecond; wait *= 2 {
		time.Sleep(wait)
	}
}
