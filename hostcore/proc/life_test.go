package proc_test

import (
	"bufio"
	"bytes"
	"context"
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

	"github.com/orch-host/orch/hostcore/proc"
	"github.com/orch-host/orch/sdk/pluginv1"
)

// withChild starts a plugin that leaves a child behind and returns its pid.
func withChild(t *testing.T, kind string) (*proc.Process, int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pid")
	p := start(t, specOf(t, kind, "CHILD_PID_FILE="+file))
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(data))
	if err != nil {
		t.Fatal(err)
	}
	if !running(pid) {
		t.Fatal("the plugin's child does not run")
	}
	return p, pid
}

func TestStopReturnsAndLeavesNobodyBehind(t *testing.T) {
	for _, kind := range []string{"grandchild-holds-stderr", "setsid-child"} {
		t.Run(kind, func(t *testing.T) {
			p, child := withChild(t, kind)
			if err := p.Stop(t.Context(), 10*time.Second); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "the child's end", func() bool { return !running(child) })
		})
	}
}

func TestACrashEndsTheChildrenToo(t *testing.T) {
	for _, kind := range []string{"grandchild-holds-stderr", "setsid-child"} {
		t.Run(kind, func(t *testing.T) {
			p, child := withChild(t, kind)
			if err := syscall.Kill(p.Pid(), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			<-p.Done()
			waitFor(t, "the child's end", func() bool { return !running(child) })
			if e := p.ExitState(); e.Signal != syscall.SIGKILL || e.Requested {
				t.Errorf("exit state %+v, want an unrequested SIGKILL", e)
			}
		})
	}
}

func TestAPluginThatIgnoresSIGTERMIsKilledAfterTheGrace(t *testing.T) {
	p := start(t, specOf(t, "ignores-term"))
	began := time.Now()
	if err := p.Stop(t.Context(), 300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("killed after %s, before the grace was over", took)
	}
	if e := p.ExitState(); e.Signal != syscall.SIGKILL || !e.Requested {
		t.Errorf("exit state %+v, want a requested SIGKILL", e)
	}
}

func TestTheEndOfTheContextShortensTheGrace(t *testing.T) {
	p := start(t, specOf(t, "ignores-term"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	if err := p.Stop(ctx, time.Hour); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("took %s", took)
	}
}

func TestACrashTellsItsPanicAndUptime(t *testing.T) {
	p := start(t, specOf(t, "crashes-later"))
	<-p.Done()
	var e *proc.ExitError
	if !errors.As(p.Err(), &e) {
		t.Fatalf("got %v", p.Err())
	}
	if e.Code != 2 || e.Signal != 0 || e.Requested || e.Clean() || e.Uptime < 100*time.Millisecond {
		t.Errorf("exit state %+v", e)
	}
	if !strings.HasPrefix(e.Stderr, "panic: deep down: boom") || !strings.Contains(e.Stderr, "panicDeep") {
		t.Errorf("the stack is missing:\n%s", e.Stderr)
	}
	if msg := e.Error(); !strings.Contains(msg, "exited with code 2 after") || !strings.Contains(msg, "panic: deep down: boom") {
		t.Errorf("message %q", msg)
	}
	if _, err := pluginv1.NewPluginClient(p.Conn()).Describe(t.Context(), &pluginv1.DescribeRequest{}); err == nil {
		t.Error("a call on a dead process succeeds")
	}
}

func TestAFloodOfOutputIsContained(t *testing.T) {
	logs := &records{}
	done := filepath.Join(t.TempDir(), "done")
	spec := specOf(t, "floods", "FLOOD_DONE="+done)
	spec.Logger = slog.New(logs)
	p := start(t, spec)
	for {
		describe(t, p) // others do not notice
		if _, err := os.Stat(done); err == nil {
			break
		}
	}
	waitFor(t, "the report of the drop", func() bool { _, ok := logs.find("plugin output dropped"); return ok })
	waitFor(t, "the end of the flood in the ring", func() bool {
		return strings.Contains(p.Stderr(), "line 999999 of a flood")
	})
	if n := len(p.Stderr()); n > 64<<10 {
		t.Errorf("the ring holds %d bytes", n)
	}
	logs.mu.Lock()
	defer logs.mu.Unlock()
	if n := len(logs.list); n > 200_000 {
		t.Errorf("%d of a million lines were forwarded", n)
	}
}

func TestAHangingLogHandlerHoldsUpNobody(t *testing.T) {
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	logs := &records{hook: func() { <-release }}
	done := filepath.Join(t.TempDir(), "done")
	spec := specOf(t, "floods", "FLOOD_DONE="+done)
	spec.Logger = slog.New(logs)
	p := start(t, spec)
	waitFor(t, "the end of the flood", func() bool { _, err := os.Stat(done); return err == nil })
	if err := p.Stop(t.Context(), 10*time.Second); err != nil {
		t.Fatal(err)
	}
}

// syncBuffer is a bytes.Buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestTheSinkGetsTheLinesRaw(t *testing.T) {
	sink := &syncBuffer{}
	spec := specOf(t, "logs")
	spec.LogSink = sink
	start(t, spec)
	waitFor(t, "the lines", func() bool { return strings.Contains(sink.String(), "\nplain speaks\n") })
	if !strings.Contains(sink.String(), `{"@level":"warn","@message":"hclog speaks"`) {
		t.Errorf("got %s", sink)
	}
}

func TestAPluginDiesWithItsHost(t *testing.T) {
	// "good" and "ignores-term" watch the liveness pipe; "plain" does not know it
	// and has only the kernel.
	for _, kind := range []string{"good", "plain", "ignores-term"} {
		t.Run(kind, func(t *testing.T) {
			dir := runtimeDir(t)
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			host := exec.Command(self)
			host.Env = []string{kindKey + "=host", "HOSTED_KIND=" + kind, "HOSTED_DIR=" + dir}
			host.Stderr = os.Stderr
			out, err := host.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := host.Start(); err != nil {
				t.Fatal(err)
			}
			line, _ := bufio.NewReader(out).ReadString('\n')
			pid, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			if removed, err := proc.Sweep(dir); err != nil || len(removed) != 0 {
				t.Errorf("swept a living host's folder: %v, %v", removed, err)
			}
			if err := host.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			killed := time.Now()
			_ = host.Wait()
			waitFor(t, "the plugin's end", func() bool { return !running(pid) })
			if took := time.Since(killed); took > 2*time.Second {
				t.Errorf("the plugin outlived its host by %s", took)
			} else {
				t.Logf("dead after %s", took)
			}
			if _, err := proc.Sweep(dir); err != nil {
				t.Fatal(err)
			}
			assertEmpty(t, dir)
		})
	}
}

func TestSweepLeavesWhatIsNotASocketFolder(t *testing.T) {
	dir := runtimeDir(t)
	for _, name := range []string{"admin.sock", "1-x", "notes-and-things-1", "4-zz"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stale := filepath.Join(dir, "4194305-1-123") // above the highest process id
	if err := os.MkdirAll(filepath.Join(stale, "plugin1"), 0o700); err != nil {
		t.Fatal(err)
	}
	removed, err := proc.Sweep(dir)
	if err != nil || len(removed) != 1 || removed[0] != stale {
		t.Errorf("removed %v, %v", removed, err)
	}
	if removed, err := proc.Sweep(filepath.Join(dir, "missing")); err != nil || removed != nil {
		t.Errorf("a missing folder: %v, %v", removed, err)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestManyStartsAtOnceLeaveNothingBehind(t *testing.T) {
	start(t, specOf(t, "good")) // the first start opens descriptors that stay (epoll)
	before := openFiles(t)
	dir := runtimeDir(t)
	var wg sync.WaitGroup
	began := time.Now()
	for i := range 20 {
		wg.Go(func() {
			kind := []string{"good", "plain", "exits-3", "garbage", "good"}[i%5]
			spec := specOf(t, kind)
			spec.RuntimeDir = dir
			p, err := proc.Start(t.Context(), spec)
			if bad := kind == "exits-3" || kind == "garbage"; bad != (err != nil) {
				t.Errorf("%s: %v", kind, err)
			}
			if err != nil {
				return
			}
			describe(t, p)
			if err := p.Stop(context.Background(), 20*time.Second); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	t.Logf("20 starts, calls and stops: %s", time.Since(began))
	assertEmpty(t, dir)
	waitFor(t, fmt.Sprintf("open files to fall back to %d", before), func() bool { return openFiles(t) <= before })
}

func TestLargeMessagesPass(t *testing.T) {
	p := start(t, specOf(t, "good"))
	body := bytes.Repeat([]byte("0123456789abcdef"), 4<<20) // 64 MiB
	r, err := pluginv1.NewPluginClient(p.Conn()).Configure(t.Context(), &pluginv1.ConfigureRequest{Config: body})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.GetProblems()[0].GetMessage(); got != string(body) {
		t.Errorf("%d bytes came back of %d", len(got), len(body))
	}
}

func BenchmarkColdStart(b *testing.B) {
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "op")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var stops time.Duration
	for b.Loop() {
		p, err := proc.Start(b.Context(), proc.Spec{Path: self, RuntimeDir: dir, Env: []string{kindKey + "=good"}})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := pluginv1.NewPluginClient(p.Conn()).Describe(b.Context(), &pluginv1.DescribeRequest{}); err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		if err := p.Stop(b.Context(), time.Minute); err != nil {
			b.Fatal(err)
		}
		stops += time.Since(began)
	}
	b.ReportMetric(float64(stops.Microseconds())/1000/float64(b.N), "stop-ms/op")
}

func BenchmarkDescribe(b *testing.B) {
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "op")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	p, err := proc.Start(b.Context(), proc.Spec{Path: self, RuntimeDir: dir, Env: []string{kindKey + "=good"}})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Stop(context.Background(), time.Minute)
	client := pluginv1.NewPluginClient(p.Conn())
	for b.Loop() {
		if _, err := client.Describe(b.Context(), &pluginv1.DescribeRequest{}); err != nil {
			b.Fatal(err)
		}
	}
}
