package embedded

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const patience = time.Minute

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func mustStart(t *testing.T, opts Options) *Server {
	t.Helper()
	s, err := Start(within(t), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(within(t)); err != nil {
			t.Error(err)
		}
	})
	return s
}

func awaitEvent(t *testing.T, events <-chan Event, kind EventKind) Event {
	t.Helper()
	for {
		select {
		case e := <-events:
			if e.Kind == kind {
				return e
			}
		case <-time.After(patience):
			t.Fatalf("no event %q", kind)
		}
	}
}

func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func TestAStartedServerSaysWhereItIsAndStopsForGood(t *testing.T) {
	opts := fakeOptions(t)
	opts.UIPort = 4711
	s, err := Start(within(t), opts)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("127.0.0.1:%d", opts.Port); s.Address() != want {
		t.Errorf("address %s, want %s", s.Address(), want)
	}
	if s.WebUI() != "http://127.0.0.1:4711" || s.Version() != "fake" {
		t.Errorf("web ui %q, version %q", s.WebUI(), s.Version())
	}
	if !healthy(within(t), s.Address()) {
		t.Error("it does not answer")
	}
	for range 2 { // the second has nothing to do
		if err := s.Stop(within(t)); err != nil {
			t.Fatal(err)
		}
	}
	<-s.Done()
	if s.Err() != nil || !gone(s.Pid()) {
		t.Errorf("error %v, process gone: %v", s.Err(), gone(s.Pid()))
	}
}

func TestAKilledServerComesBackOnTheSameAddress(t *testing.T) {
	opts := fakeOptions(t)
	events := make(chan Event, 16)
	opts.Events = func(e Event) { events <- e }
	s := mustStart(t, opts)
	address, pid := s.Address(), s.Pid()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	died := awaitEvent(t, events, Died)
	var exit *ExitError
	if !errors.As(died.Err, &exit) || exit.Pid != pid || !strings.Contains(exit.Status, "killed") {
		t.Errorf("died of %v, want the kill of process %d", died.Err, pid)
	}
	awaitEvent(t, events, Restarted)
	if s.Address() != address || s.Pid() == pid || !healthy(within(t), address) {
		t.Errorf("address %s, pid %d; want %s, another pid, and an answer", s.Address(), s.Pid(), address)
	}
}

func TestWhatAServerHasStartedEndsWithIt(t *testing.T) {
	for name, end := range map[string]func(s *Server) error{
		"when it is killed":  func(s *Server) error { return syscall.Kill(s.Pid(), syscall.SIGKILL) },
		"when it is stopped": func(s *Server) error { return s.Stop(within(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			opts := fakeOptions(t, "helper", "serve")
			s := mustStart(t, opts)
			text, err := os.ReadFile(filepath.Join(opts.StateDir, "helper"))
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(string(text))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()
			if err := end(s); err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(10 * time.Second); !gone(pid); time.Sleep(10 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("process %d of its group outlives it", pid)
				}
			}
		})
	}
}

func TestAServerThatKeepsDyingIsGivenUpWithItsLastWords(t *testing.T) {
	opts := fakeOptions(t, "serve", "exit")
	s := mustStart(t, opts)
	if err := syscall.Kill(s.Pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Done():
	case <-time.After(patience):
		t.Fatal("it is not given up")
	}
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), "given up after 5 failures") ||
		!strings.Contains(err.Error(), "panic: out of luck") {
		t.Errorf("got %v", err)
	}
}

func TestAStartThatFailsSaysWhyAndLeavesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		script, kind, want string
	}{
		"it exits":                 {"exit", KindDied, "exit status 3; its last words:\n"},
		"it hangs":                 {"hang", KindDied, "not ready after"},
		"it is something else":     {"babble", KindOther, "is this a devserver?"},
		"the database is unusable": {"unusable", KindUnusable, "fake says unusable"},
		"the port is taken":        {"port", KindPort, "fake says port"},
	} {
		t.Run(name, func(t *testing.T) {
			opts := fakeOptions(t, c.script)
			opts.StartTimeout = patience
			if c.script == "hang" {
				opts.StartTimeout = 500 * time.Millisecond
			}
			_, err := Start(within(t), opts)
			var start *StartError
			if !errors.As(err, &start) || start.Kind != c.kind || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want kind %s with %q", err, c.kind, c.want)
			}
		})
	}
}

func TestACancelledStartEndsTheChild(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	opts := fakeOptions(t, "hang")
	started := make(chan struct{})
	opts.Logger = slog.New(slog.NewJSONHandler(writerFunc(func([]byte) { close(started) }), nil))
	go func() { <-started; cancel() }()
	if _, err := Start(ctx, opts); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the cancellation", err)
	}
}

func TestAServerThatDoesNotStopIsKilledWhenTheContextEnds(t *testing.T) {
	s, err := Start(within(t), fakeOptions(t, "deaf"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := s.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) || !gone(s.Pid()) {
		t.Errorf("got %v, process gone: %v", err, gone(s.Pid()))
	}
}

func TestADatabaseThatIsServedAlreadyIsReportedForUse(t *testing.T) {
	opts := fakeOptions(t)
	first := mustStart(t, opts)
	opts.Port = freePort(t)
	_, err := Start(within(t), opts)
	var running *AlreadyRunningError
	if !errors.As(err, &running) {
		t.Fatalf("got %v, want an AlreadyRunningError", err)
	}
	if running.Address != first.Address() || running.Pid != first.Pid() || running.UI != "http://ui" {
		t.Errorf("got %+v, want %s and pid %d", running, first.Address(), first.Pid())
	}
}

func TestAHolderOnItsWayDownIsWaitedFor(t *testing.T) {
	opts := fakeOptions(t, "slow", "serve")
	first, err := Start(within(t), opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(first.Pid(), syscall.SIGSTOP); err != nil { // its host is dead, it drains
		t.Fatal(err)
	}
	if err := os.Remove(opts.database() + ".addr"); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = syscall.Kill(first.Pid(), syscall.SIGCONT)
		_ = first.Stop(context.Background())
	}()
	second := mustStart(t, opts)
	<-first.Done()
	if second.Pid() == first.Pid() {
		t.Error("no new process")
	}
}

func TestAnAddressFileOfAFormerHolderIsNotBelieved(t *testing.T) {
	opts := fakeOptions(t)
	first := mustStart(t, opts)
	raw := fmt.Sprintf(`{"frontend":%q,"pid":1}`, first.Address())
	if err := os.WriteFile(opts.database()+".addr", []byte(raw), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, err := Start(ctx, opts)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("held by process %d, which neither answers nor ends", first.Pid())) {
		t.Errorf("got %v", err)
	}
}

func TestAMissingBinaryIsOneErrorThatSaysWhatToDo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bin", "devserver")
	_, err := Start(context.Background(), Options{Binary: path, StateDir: t.TempDir()})
	var missing *BinaryError
	if !errors.As(err, &missing) || !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("got %v, want a BinaryError", err)
	}
	for _, want := range []string{path, "make devserver", "temporal.embedded.binary"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	t.Setenv("PATH", t.TempDir())
	_, err = findBinary("")
	if err == nil || !strings.Contains(err.Error(), " and devserver in PATH") {
		t.Errorf("no binary given: got %v", err)
	}
}

func TestTheChildSeesOnlyTheEnvironmentItNeeds(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
	var log syncBuffer
	opts := fakeOptions(t)
	opts.Logger = slog.New(slog.NewJSONHandler(&log, nil))
	mustStart(t, opts)
	line := log.line(t, "fake is starting")
	if line["level"] != "WARN" || line["log_level"] != "warn" {
		t.Errorf("level %v, child's level %v; want warnings of a child that logs warnings", line["level"], line["log_level"])
	}
	env, _ := line["env"].(string)
	if strings.Contains(env, "hunter2") || !strings.Contains(env, "PATH=") {
		t.Errorf("the child's environment: %s", env)
	}
}

// TestTheChildDiesWithAKilledHost runs a host in a process of its own and
// kills it.
func TestTheChildDiesWithAKilledHost(t *testing.T) {
	if dir := os.Getenv("EMBEDDED_TEST_HOST"); dir != "" {
		exe, _ := os.Executable()
		s, err := Start(context.Background(), Options{Binary: exe, StateDir: dir, Port: freePort(t)})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("child %d\n", s.Pid())
		select {}
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	host := exec.Command(exe, "-test.run", "^"+t.Name()+"$")
	host.Env = append(os.Environ(), "EMBEDDED_TEST_HOST="+t.TempDir())
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
		_, _ = fmt.Sscanf(lines.Text(), "child %d", &pid)
	}
	_ = host.Process.Kill()
	_ = host.Wait()
	if pid == 0 {
		t.Fatal("the host started no child")
	}
	for deadline := time.Now().Add(patience); !gone(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d outlives its host", pid)
		}
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// line waits for the log line with the message.
func (b *syncBuffer) line(t *testing.T, msg string) map[string]any {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		b.mu.Lock()
		lines := strings.Split(b.buf.String(), "\n")
		b.mu.Unlock()
		for _, l := range lines {
			var fields map[string]any
			if json.Unmarshal([]byte(l), &fields) == nil && fields["msg"] == msg {
				return fields
			}
		}
	}
	t.Fatalf("no log line %q", msg)
	return nil
}
