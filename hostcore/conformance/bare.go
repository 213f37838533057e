package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// markKey is in the environment of everything a bare process starts.
const markKey = "ORCH_CONFORMANCE_RUN"

// bare is a process of the plugin without the host's runner around it, which
// would clear up what the kit wants to see.
type bare struct {
	cmd      *exec.Cmd
	out      *transcript
	stdout   *transcript
	dir      string // for its socket
	mark     string
	private  chan string // the line on the handshake descriptor
	liveness *os.File    // write end
	pipes    []*os.File  // read ends
	pumps    sync.WaitGroup
	exited   chan struct{} // closed when it has exited; stop reaps it
	reaped   bool
	conn     *grpc.ClientConn
}

// launch executes the binary with args, as a host (with cookie and
// descriptors) or as a person would.
func (k *kit) launch(asHost bool, args ...string) (_ *bare, err error) {
	dir, err := os.MkdirTemp(k.dir, "b")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the plugin's socket: %w", err)
	}
	b := &bare{out: &transcript{}, stdout: &transcript{limit: maxDescription}, dir: dir, mark: filepath.Base(k.dir) + "/" + filepath.Base(dir),
		private: make(chan string, 1), exited: make(chan struct{})}
	b.cmd = exec.Command(k.o.Binary, args...)
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	b.cmd.Env = append(environment(), markKey+"="+b.mark)
	var ends []*os.File // the child's
	defer func() {
		for _, f := range ends {
			_ = f.Close() // the child has its own
		}
		if err != nil {
			for _, f := range append(b.pipes, b.liveness) {
				_ = f.Close() // nothing was read or written
			}
		}
	}()
	pipe := func() (*os.File, error) {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, fmt.Errorf("make a pipe: %w", err)
		}
		b.pipes, ends = append(b.pipes, r), append(ends, w)
		return w, nil
	}
	stdout, err := pipe()
	if err != nil {
		return nil, err
	}
	stderr, err := pipe()
	if err != nil {
		return nil, err
	}
	b.cmd.Stdout, b.cmd.Stderr = stdout, stderr
	if asHost {
		handshake, err := pipe()
		if err != nil {
			return nil, err
		}
		r, w, err := os.Pipe()
		if err != nil {
			return nil, fmt.Errorf("make a pipe: %w", err)
		}
		b.liveness, ends = w, append(ends, r)
		b.cmd.ExtraFiles = []*os.File{r, handshake}
		b.cmd.Env = append(b.cmd.Env,
			pluginv1.MagicCookieKey+"="+pluginv1.MagicCookieValue,
			"PLUGIN_PROTOCOL_VERSIONS="+strconv.Itoa(pluginv1.ProtocolVersion), "PLUGIN_UNIX_SOCKET_DIR="+dir,
			pluginv1.EnvLivenessFD+"=3", pluginv1.EnvHandshakeFD+"=4")
	}
	if err := b.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", k.o.Binary, err)
	}
	b.pump(b.pipes[0], io.MultiWriter(b.out, b.stdout))
	b.pump(b.pipes[1], b.out)
	if asHost {
		line := &transcript{}
		b.pump(b.pipes[2], writerFunc(func(p []byte) (int, error) {
			_, _ = line.Write(p) // never fails
			if first, _, whole := strings.Cut(line.String(), "\n"); whole {
				select {
				case b.private <- first:
				default: // further lines are output
				}
			}
			return len(p), nil
		}))
	}
	go func() {
		defer close(b.exited)
		awaitExit(b.cmd.Process.Pid)
	}()
	return b, nil
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func (b *bare) pump(from *os.File, to io.Writer) {
	b.pumps.Go(func() { _, _ = io.Copy(to, from) }) // ends with the pipe or its deadline
}

// stop ends what is left and waits for it.
func (b *bare) stop() { b.stopAndRead(500 * time.Millisecond) }

// stopAndRead is stop that reads the output to its end, or for limit when a
// process elsewhere holds it open.
func (b *bare) stopAndRead(limit time.Duration) {
	if b.conn != nil {
		_ = b.conn.Close() // the process goes anyway
	}
	if !b.reaped { // after that the group's id may be anybody's
		_ = syscall.Kill(-b.cmd.Process.Pid, syscall.SIGKILL) // an error says that nobody is left
		<-b.exited
		_ = b.cmd.Wait() // ProcessState says it
		b.reaped = true
	}
	for _, f := range b.pipes {
		_ = f.SetReadDeadline(time.Now().Add(limit)) // of a pipe that was read to the end nobody reads any more
	}
	b.pumps.Wait()
	for _, f := range b.pipes {
		_ = f.Close() // it was read to the end
	}
	if b.liveness != nil {
		_ = b.liveness.Close() // perhaps for the second time
	}
}

// awaitExit returns when the child has exited, and leaves it unreaped.
func awaitExit(pid int) {
	for {
		var info unix.Siginfo
		if err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT, nil); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// ends waits for the process to end by itself.
func (b *bare) ends(limit time.Duration) bool {
	select {
	case <-b.exited:
		return true
	case <-time.After(limit):
		return false
	}
}

// handshake waits for the line, on the descriptor or on stdout; onStdout tells
// where it came.
func (b *bare) handshake(ctx context.Context, limit time.Duration) (line string, onStdout bool, err error) {
	deadline := time.Now().Add(limit)
	for {
		select {
		case line := <-b.private:
			return line, false, nil
		case <-b.exited:
			b.stop()
			return "", false, fmt.Errorf("it exited (%s) before its handshake; it printed: %s", b.cmd.ProcessState, clip(b.out.String()))
		case <-ctx.Done():
			return "", false, context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
		for text := range strings.Lines(b.stdout.String()) {
			if strings.HasPrefix(text, "1|") && strings.HasSuffix(text, "\n") {
				return strings.TrimSpace(text), true, nil
			}
		}
		if time.Now().After(deadline) {
			return "", false, fmt.Errorf("no handshake line came within %s; it printed: %s", limit, clip(b.out.String()))
		}
	}
}

// connect shakes hands and opens a session-like client.
func (b *bare) connect(ctx context.Context, limit time.Duration) (pluginv1.PluginClient, error) {
	line, _, err := b.handshake(ctx, limit)
	if err != nil {
		return nil, err
	}
	parts := strings.Split(line, "|")
	if len(parts) < 4 {
		return nil, fmt.Errorf("the handshake line is %q, want 1|1|unix|<socket>|grpc|", line)
	}
	b.conn, err = grpc.NewClient("unix:"+parts[3], grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", parts[3], err)
	}
	return pluginv1.NewPluginClient(b.conn), nil
}

// leftovers lists the processes that the plugin has left behind, by its process
// group and by the mark in their environment.
func (b *bare) leftovers() ([]string, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, skip("processes can only be listed where there is /proc")
	}
	var left []string
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue // it has ended meanwhile
		}
		state, group := statOf(string(stat))
		if state == "Z" || state == "X" {
			continue
		}
		environ, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if err != nil && !errors.Is(err, os.ErrPermission) {
			continue
		}
		if group == b.cmd.Process.Pid || strings.Contains(string(environ), markKey+"="+b.mark+"\x00") {
			command, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline")) // empty is good enough
			left = append(left, fmt.Sprintf("%d (%s)", pid, strings.TrimSpace(strings.ReplaceAll(string(command), "\x00", " "))))
		}
	}
	return left, nil
}

// statOf takes state and process group from /proc/<pid>/stat, whose second
// field may hold anything between brackets.
func statOf(stat string) (state string, group int) {
	rest := stat[strings.LastIndexByte(stat, ')')+1:]
	fields := strings.Fields(rest)
	if len(fields) < 3 {
		return "", 0
	}
	group, _ = strconv.Atoi(fields[2]) // 0 matches nobody
	return fields[0], group
}
