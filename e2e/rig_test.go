package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/orch-host/orch/hostcore/admin"
)

// patience bounds every wait: a machine under load is slow, not broken.
const patience = 2 * time.Minute

// rig is one host of a test: its folders, ports and configuration.
type rig struct {
	t       *testing.T
	dir     string // state, plugins and orch.toml; in the command line or environment of all its processes
	runtime string
	plugins string
	config  string
	service string   // unique
	env     []string // of the host, beside the usual
	within  []string // a command that runs it elsewhere; none: here
	port    int      // of Temporal
}

// newRig makes a rig with the plugins (paths of binaries) in its folder and
// more, in TOML, after the common settings; {service} in it is the service's name.
func newRig(t *testing.T, plugins []string, more string) *rig {
	t.Helper()
	runtime, err := os.MkdirTemp("/tmp", "orch")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(runtime) })
	dir := t.TempDir()
	r := &rig{t: t, dir: dir, runtime: runtime, plugins: filepath.Join(dir, "plugins"), config: filepath.Join(dir, "orch.toml"),
		service: unique(), port: freePort(t)}
	if err := os.Mkdir(r.plugins, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, p := range plugins {
		install(t, p, filepath.Join(r.plugins, filepath.Base(p)))
	}
	write(t, r.config, 0o600, fmt.Sprintf(`
[host]
state_dir = %q
runtime_dir = %q
listen = "127.0.0.1:0"
stop_grace = "5s"

[temporal.embedded]
port = %d
ui_port = %d

[plugins]
dir = %q
mode = "off"
grace = "2s"
`, filepath.Join(dir, "state"), runtime, r.port, freePort(t), r.plugins)+strings.ReplaceAll(more, "{service}", r.service))
	if externalPort != 0 {
		r.external(externalPort)
	}
	t.Cleanup(func() {
		if left := r.gone(30 * time.Second); len(left) > 0 {
			t.Errorf("processes are left after the test:\n%s", strings.Join(left, "\n"))
		}
	})
	return r
}

// externalPort is that of the Temporal server that new rigs use; 0: each has an
// embedded one of its own.
var externalPort int

// external has the rig use the Temporal server on a port.
func (r *rig) external(port int) {
	r.t.Helper()
	r.port = port
	write(r.t, r.config, 0o600, fmt.Sprintf("[temporal]\nmode = \"external\"\naddress = \"127.0.0.1:%d\"\n", port)+read(r.t, r.config))
}

func unique() string {
	b := make([]byte, 4)
	_, _ = rand.Read(b) // never fails
	return "e2e" + hex.EncodeToString(b)
}

// freePort is one that nobody listens on now.
// freePort finds a port below those that the kernel gives to outgoing
// connections, so that none of these takes it before the test does.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 20000 + mathrand.IntN(12000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port was found")
	return 0
}

func write(t *testing.T, path string, mode os.FileMode, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// install puts a copy of a binary in place in one step.
func install(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	aside := filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(aside, data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(aside, to); err != nil {
		t.Fatal(err)
	}
}

// outcome is how a command ended.
type outcome struct {
	code           int
	stdout, stderr string
}

func (o outcome) String() string {
	return fmt.Sprintf("exit code %d\nstdout:\n%s\nstderr:\n%s", o.code, o.stdout, o.stderr)
}

// serverAway tells that a command could do nothing because Temporal was being
// restarted: it was not there, or had not found its namespaces yet, or had not
// heard from its hosts.
func (o outcome) serverAway() bool {
	return slices.ContainsFunc([]string{"no Temporal server answers", "Namespace default is not found", "nobody polls task queue"},
		func(text string) bool { return strings.Contains(o.stderr, text) })
}

// command is the host binary with this rig's configuration and nothing of the
// developer's environment.
func (r *rig) command(args ...string) *exec.Cmd {
	all := slices.Concat(r.within, []string{bin("host"), "--config", r.config}, args)
	c := exec.Command(all[0], all[1:]...)
	c.Dir = r.dir
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "LANG=C"}
	if h := os.Getenv("DOCKER_HOST"); h != "" {
		c.Env = append(c.Env, "DOCKER_HOST="+h)
	}
	c.Env = append(c.Env, r.env...)
	return c
}

// host runs a command to its end.
func (r *rig) host(args ...string) outcome {
	r.t.Helper()
	c := r.command(args...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Start(); err != nil {
		r.t.Fatal(err)
	}
	limit := time.AfterFunc(patience, func() { _ = c.Process.Kill() })
	defer limit.Stop()
	err := c.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.t.Fatalf("host %v: %v", args, err)
	}
	return outcome{c.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// expect runs a command and checks its exit code.
func (r *rig) expect(code int, args ...string) outcome {
	r.t.Helper()
	o := r.host(args...)
	for end := time.Now().Add(patience); externalPort != 0 && o.code != code && o.serverAway() && time.Now().Before(end); o = r.host(args...) {
		time.Sleep(time.Second) // as whoever reads the message would
	}
	if o.code != code {
		r.t.Fatalf("host %s: want exit code %d, got %v", strings.Join(args, " "), code, o)
	}
	return o
}

// running is a host in the background.
type running struct {
	*exec.Cmd
	log  *output
	done chan struct{}
}

// start runs the host in the background until it says that it serves.
func (r *rig) start() *running {
	r.t.Helper()
	c := r.command()
	h := &running{Cmd: c, log: &output{}, done: make(chan struct{})}
	stderr, err := c.StderrPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		r.t.Fatal(err)
	}
	go func() {
		defer close(h.done)
		_, _ = io.Copy(h.log, stderr) // ends with the process
		_ = c.Wait()                  // ProcessState says it
	}()
	r.t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		select {
		case <-h.done:
		case <-time.After(time.Minute):
			r.t.Errorf("the host does not end on SIGTERM")
			_ = c.Process.Kill()
			<-h.done
		}
		if r.t.Failed() {
			r.t.Logf("log of the host:\n%s", h.log)
		}
	})
	r.eventually("the host serves", func() error {
		select {
		case <-h.done:
			r.t.Fatalf("the host ended before it served: %v\n%s", c.ProcessState, h.log)
		default:
		}
		if !strings.Contains(h.log.String(), "host services lists them") {
			return errors.New("it has not said so")
		}
		return nil
	})
	return h
}

// kill ends a process as a power cut would.
func (h *running) kill(t *testing.T) {
	t.Helper()
	if err := h.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-h.done
}

// output is a buffer that can be read while it is written.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// eventually asks until there is no error left.
func (r *rig) eventually(what string, check func() error) {
	r.t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	r.t.Fatalf("waited in vain until %s: %v", what, err)
}

// admin is what the running host says about itself.
func (r *rig) admin() *admin.Client {
	c := admin.NewClient(r.runtime)
	r.t.Cleanup(c.Close)
	return c
}

func (r *rig) info() admin.Info {
	r.t.Helper()
	i, err := r.admin().Info(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return i
}

// pluginPid is the process of a plugin that serves.
func (r *rig) pluginPid(name string) int {
	r.t.Helper()
	list, err := r.admin().Plugins(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, p := range list {
		if p.Name == name && p.Pid > 0 {
			return p.Pid
		}
	}
	r.t.Fatalf("plugin %s does not run: %+v", name, list)
	return 0
}

// client is a Temporal client as any other program has one.
func (r *rig) client(o client.Options) client.Client {
	r.t.Helper()
	o.HostPort = fmt.Sprintf("127.0.0.1:%d", r.port)
	o.Logger = sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))
	c, err := client.Dial(o)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(c.Close)
	return c
}

// result waits for a workflow's text.
func (r *rig) result(c client.Client, workflowID string) string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	var text string
	if err := c.GetWorkflow(ctx, workflowID, "").Get(ctx, &text); err != nil {
		r.t.Fatalf("workflow %s: %v", workflowID, err)
	}
	return text
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func clientOptions() client.Options { return client.Options{} }

func killProcess(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func listen(t *testing.T, port int) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	return l
}
