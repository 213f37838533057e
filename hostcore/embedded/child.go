package embedded

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Descriptors of the child, after stdin, stdout and stderr.
const (
	readyFD    = 3
	livenessFD = 4
)

// child is one devserver process.
type child struct {
	cmd      *exec.Cmd
	ready    readyMessage
	liveness *os.File // its closing tells the child that the host is gone
	tail     *ring
	done     chan struct{} // closed when the process and its log reader ended

	mu     sync.Mutex
	reaped bool // its id and its group may be anyone's
}

// readyMessage is the line the devserver writes to its ready descriptor.
type readyMessage struct {
	Frontend string `json:"frontend"`
	UI       string `json:"ui"`
	UIReason string `json:"ui_reason"`
	Version  string `json:"version"`
	Pid      int    `json:"pid"`
	Error    *struct {
		Kind    string `json:"kind"`
		Message string `json:"message"`
		Address string `json:"address"`
		UI      string `json:"ui"`
		Pid     int    `json:"pid"`
	} `json:"error"`
}

// launch starts a devserver and returns when it serves. Its errors are
// *StartError, or the context's. On error nothing of the child is left.
func launch(parent context.Context, opts Options) (*child, error) {
	ctx, cancel := context.WithTimeout(parent, opts.StartTimeout)
	defer cancel()
	c, readyPipe, err := spawn(opts)
	if err != nil {
		return nil, err
	}
	answer := make(chan error, 1)
	go func() {
		answer <- c.readReady(readyPipe)
		_ = readyPipe.Close()
	}()
	select {
	case err = <-answer:
		if err == nil {
			return c, nil
		}
	case <-ctx.Done():
		_ = readyPipe.Close()
		<-answer //nolint:errcheck // the reader ends; why it was given up counts
		err = &StartError{Kind: KindDied, Message: fmt.Sprintf("not ready after %s", opts.StartTimeout)}
		if parent.Err() != nil {
			err = fmt.Errorf("start the embedded Temporal server: %w", parent.Err())
		}
	}
	c.end(err)
	var start *StartError
	if errors.As(err, &start) {
		start.Stderr = c.tail.String()
		if start.Message == "" {
			start.Message = "the process ended: " + c.status()
		}
	}
	return nil, err
}

// end makes sure that a child that did not come up is gone. One that said why
// is about to exit by itself.
func (c *child) end(err error) {
	grace := 2 * time.Second
	var start *StartError
	if !errors.As(err, &start) || start.Kind == KindDied {
		grace = 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	select {
	case <-c.done:
	case <-ctx.Done():
		c.kill()
		<-c.done
	}
	_ = c.liveness.Close()
}

func spawn(opts Options) (*child, *os.File, error) {
	var pipes [3][2]*os.File // ready, liveness, log
	closeAll := func() {
		for _, p := range pipes {
			for _, f := range p {
				if f != nil {
					_ = f.Close()
				}
			}
		}
	}
	for i := range pipes {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll()
			return nil, nil, fmt.Errorf("make a pipe for the embedded Temporal server: %w", err)
		}
		pipes[i] = [2]*os.File{r, w}
	}
	ready, liveness, logs := pipes[0], pipes[1], pipes[2]
	cmd := exec.Command(opts.Binary, opts.args()...)
	cmd.Env = childEnv(os.LookupEnv)
	cmd.Dir = opts.StateDir
	cmd.Stdout, cmd.Stderr = logs[1], logs[1]
	cmd.ExtraFiles = []*os.File{ready[1], liveness[0]}
	cmd.SysProcAttr = sysProcAttr()
	c := &child{cmd: cmd, liveness: liveness[1], tail: &ring{}, done: make(chan struct{})}

	started := make(chan error, 1)
	go c.own(started, logs[0], opts.Logger)
	if err := <-started; err != nil {
		closeAll()
		return nil, nil, &StartError{Kind: KindDied, Message: fmt.Sprintf("run %s: %v", opts.Binary, err)}
	}
	for _, f := range []*os.File{ready[1], liveness[0], logs[1]} {
		_ = f.Close()
	}
	return c, ready[0], nil
}

// own starts the process and stays on its thread until it has ended: on Linux
// the parent's death signal is tied to the thread that forked. The thread ends
// with this goroutine.
func (c *child) own(started chan<- error, logs *os.File, log *slog.Logger) {
	runtime.LockOSThread()
	if err := c.cmd.Start(); err != nil {
		started <- err
		return
	}
	defer close(c.done)
	forwarded := make(chan struct{})
	go func() {
		defer close(forwarded)
		forward(logs, c.tail, log)
	}()
	started <- nil
	if awaitExit(c.Pid()) {
		// What is left of the group has lost its server. It is killed while the
		// leader is still unreaped, so that the group's id is certainly ours.
		c.kill()
		c.gone()
	}
	_ = c.cmd.Wait() // ProcessState says it all
	c.gone()
	// Nobody else should hold the pipe; a deadline keeps that from being vital.
	_ = logs.SetReadDeadline(time.Now().Add(time.Second))
	<-forwarded
	_ = logs.Close()
}

func (c *child) readReady(r io.Reader) error {
	line, err := bufio.NewReader(io.LimitReader(r, 1<<20)).ReadBytes('\n')
	if err != nil {
		return &StartError{Kind: KindDied}
	}
	if err := json.Unmarshal(line, &c.ready); err != nil {
		return &StartError{Kind: KindOther, Message: fmt.Sprintf("it wrote no ready line but %q; is this a devserver?", line)}
	}
	if e := c.ready.Error; e != nil {
		return &StartError{Kind: e.Kind, Message: e.Message}
	}
	if c.ready.Frontend == "" {
		return &StartError{Kind: KindOther, Message: fmt.Sprintf("its ready line %q names no address; is this a devserver?", line)}
	}
	return nil
}

// Done is closed when the process has ended.
func (c *child) Done() <-chan struct{} { return c.done }

// Exit describes the end of the process, after Done.
func (c *child) Exit() error {
	return &ExitError{Pid: c.Pid(), Status: c.status(), Stderr: c.tail.String()}
}

func (c *child) status() string {
	if c.cmd.ProcessState == nil {
		return "unknown"
	}
	return c.cmd.ProcessState.String()
}

// Ready is what the process said when it began to serve.
func (c *child) Ready() readyMessage { return c.ready }

// Pid is the process.
func (c *child) Pid() int { return c.cmd.Process.Pid }

// Stop asks the process to stop and waits; when ctx ends first it kills the
// group and returns the context's error.
func (c *child) Stop(ctx context.Context) error {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	defer c.liveness.Close()
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		c.kill()
		<-c.done
		return fmt.Errorf("stop the embedded Temporal server (killed; the database recovers at the next start): %w", ctx.Err())
	}
}

// kill ends the group, unless it has ended.
func (c *child) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped {
		_ = syscall.Kill(-c.Pid(), syscall.SIGKILL)
	}
}

// gone notes that the id of the group is no longer ours to kill.
func (c *child) gone() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reaped = true
}
