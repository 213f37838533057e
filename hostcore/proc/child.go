package proc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// child is the operating system's side of a plugin: a process group, its pipes
// and its end.
type child struct {
	spec Spec
	out  *output
	cred *syscall.Credential
	cg   *cgroup // nil without

	pid      int
	started  time.Time
	limits   []LimitState
	liveness *os.File // write end; the child reads EOF when it is closed

	exited chan struct{} // closed when reaped; exit is set then
	exit   *ExitError    // without Stderr, which is complete after the drain only

	mu        sync.Mutex
	reaped    bool
	requested bool
}

// spawn starts the process. The thread that starts it is kept until it has been
// reaped: Pdeathsig fires when that thread ends, not when the host does, and Go
// ends threads as it likes.
func (c *child) spawn(env []string) error {
	pipes, err := newPipes()
	if err != nil {
		return err
	}
	cmd := &exec.Cmd{
		Path:       c.spec.Path,
		Args:       append([]string{c.spec.Path}, c.spec.Args...),
		Env:        c.environ(env),
		Dir:        c.spec.Dir,
		Stdout:     pipes.stdoutW,
		Stderr:     pipes.stderrW,
		ExtraFiles: []*os.File{pipes.livenessR, pipes.handshakeW},
	}
	c.liveness = pipes.livenessW
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		c.run(cmd, result)
	}()
	err = <-result
	pipes.closeChildEnds()
	if err != nil {
		pipes.closeHostEnds()
		return err
	}
	c.out.pump(pipes.handshakeR, c.out.writer("stdout", true, true))
	c.out.pump(pipes.stdoutR, c.out.writer("stdout", true, false))
	c.out.pump(pipes.stderrR, c.out.writer("stderr", false, false))
	return nil
}

// run is the life of the process on its own thread.
func (c *child) run(cmd *exec.Cmd, result chan<- error) {
	binary, err := executable(cmd.Path, c.cred)
	if err != nil {
		result <- err
		return
	}
	cmd.Path = binary.path
	cmd.SysProcAttr = sysProcAttr(c.cred, c.cg.fd())
	err = startRetryingBusy(cmd)
	binary.close()
	if err != nil {
		result <- err
		return
	}
	c.mu.Lock()
	c.pid, c.started = cmd.Process.Pid, time.Now()
	c.mu.Unlock()
	c.limits = c.applyLimits()
	result <- nil

	awaitExit(c.pid)
	// What is left of the group has lost its plugin. It is killed while the
	// plugin is still unreaped, so that the group's id is certainly ours.
	_ = unix.Kill(-c.pid, unix.SIGKILL)
	c.mu.Lock()
	c.reaped = true
	_ = cmd.Wait() // its error repeats the state read below
	requested := c.requested
	c.mu.Unlock()
	_ = c.liveness.Close()
	c.exit = exitError(cmd.ProcessState, time.Since(c.started), requested)
	c.exit.OutOfMemory = c.exit.Signal == syscall.SIGKILL && c.cg.oomKilled()
	close(c.exited)
}

// startRetryingBusy starts the command, again when the file is still open for
// writing: another thread that forks between our write and our close inherits
// the descriptor for an instant (golang/go#22315).
func startRetryingBusy(cmd *exec.Cmd) error {
	for wait := time.Millisecond; ; wait *= 2 {
		err := cmd.Start()
		if !errors.Is(err, unix.ETXTBSY) || wait > time.Second {
			return err
		}
		time.Sleep(wait)
		again := *cmd
		*cmd = exec.Cmd{
			Path: again.Path, Args: again.Args, Env: again.Env, Dir: again.Dir,
			Stdout: again.Stdout, Stderr: again.Stderr,
			ExtraFiles: again.ExtraFiles, SysProcAttr: again.SysProcAttr,
		}
	}
}

// environ is the caller's environment and the handshake's, nothing else.
func (c *child) environ(handshake []string) []string {
	env := append([]string{}, c.spec.Env...)
	env = append(env, handshake...)
	env = append(env,
		pluginv1.EnvLivenessFD+"="+strconv.Itoa(livenessFD),
		pluginv1.EnvHandshakeFD+"="+strconv.Itoa(handshakeFD))
	if m := c.spec.Limits.MemoryBytes; m > 0 && !hasKey(c.spec.Env, "GOMEMLIMIT") {
		env = append(env, fmt.Sprintf("GOMEMLIMIT=%d", m/10*9))
	}
	return env
}

func hasKey(env []string, key string) bool {
	for _, kv := range env {
		if strings.HasPrefix(kv, key+"=") {
			return true
		}
	}
	return false
}

// signal sends sig to the whole process group, unless the process is gone. stop
// marks the end that follows as asked for.
func (c *child) signal(sig syscall.Signal, stop bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reaped || c.pid <= 0 { // kill(0) would be the host's own group
		return os.ErrProcessDone
	}
	if stop {
		c.requested = true
	}
	if err := unix.Kill(-c.pid, sig); err != nil {
		return fmt.Errorf("send %s to process group %d: %w", sig, c.pid, err)
	}
	return nil
}

// kill ends the process group at once, and with a cgroup also those who left
// the group.
func (c *child) kill() {
	// An error says that nobody is left.
	_ = c.signal(unix.SIGKILL, true)
	c.cg.kill()
}

// renewLimits sets the limits once more: Go's runtime raises its own descriptor
// limit when it starts, and may have done so after it was set first.
func (c *child) renewLimits() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped {
		c.limits = c.applyLimits()
	}
}

func exitError(state *os.ProcessState, uptime time.Duration, requested bool) *ExitError {
	e := &ExitError{Code: -1, Uptime: uptime, Requested: requested}
	if state == nil {
		return e
	}
	e.Code = state.ExitCode()
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		e.Signal = ws.Signal()
	}
	return e
}
