package proc_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orch-host/orch/hostcore/proc"
	"github.com/orch-host/orch/sdk/pluginv1"
)

// runtimeDir is a short folder: t.TempDir's name can exceed a socket's path.
func runtimeDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "op")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func specOf(t *testing.T, kind string, env ...string) proc.Spec {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return proc.Spec{
		Path: self, Name: kind, RuntimeDir: runtimeDir(t),
		Env:          append([]string{kindKey + "=" + kind}, env...),
		StartTimeout: time.Minute,
	}
}

func start(t *testing.T, spec proc.Spec) *proc.Process {
	t.Helper()
	p, err := proc.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(context.Background(), 10*time.Second); err != nil {
			t.Error(err)
		}
		assertEmpty(t, spec.RuntimeDir)
	})
	return p
}

func describe(t *testing.T, p *proc.Process) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	m, err := pluginv1.NewPluginClient(p.Conn()).Describe(ctx, &pluginv1.DescribeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if m.GetVersion() != "1.2.3" {
		t.Errorf("manifest version %q, want 1.2.3", m.GetVersion())
	}
}

func assertEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("left in the runtime folder: %s", e.Name())
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited 30 s for %s", what)
		}
	}
}

// running says whether a process exists and is no zombie.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	return !strings.HasPrefix(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " Z")
}

// records is a slog handler that keeps what it gets.
type records struct {
	mu   sync.Mutex
	list []string
	hook func()
}

func (r *records) Enabled(context.Context, slog.Level) bool { return true }
func (r *records) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *records) WithGroup(string) slog.Handler            { return r }
func (r *records) Handle(_ context.Context, rec slog.Record) error {
	if r.hook != nil {
		r.hook()
	}
	line := rec.Level.String() + " " + rec.Message
	rec.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, line)
	return nil
}

func (r *records) find(part string) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.list, func(s string) bool { return strings.Contains(s, part) })
	if i < 0 {
		return "", false
	}
	return r.list[i], true
}

func TestAPluginStartsAnswersAndStops(t *testing.T) {
	for _, kind := range []string{"good", "plain", "chatty", "plain-chatty"} {
		t.Run(kind, func(t *testing.T) {
			spec := specOf(t, kind)
			p := start(t, spec)
			describe(t, p)
			if p.ExitState() != nil || p.Err() != nil {
				t.Error("a running process has an exit state")
			}
			if err := p.Stop(t.Context(), 10*time.Second); err != nil {
				t.Fatal(err)
			}
			if e := p.ExitState(); e == nil || !e.Requested || !e.Clean() {
				t.Errorf("exit state %+v, want one that was requested", e)
			}
			if running(p.Pid()) {
				t.Error("the process still runs after Stop")
			}
			if err := p.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
				t.Errorf("signal after the end: %v, want os.ErrProcessDone", err)
			}
			assertEmpty(t, spec.RuntimeDir)
		})
	}
}

func TestStrayPrintsBecomeLogRecords(t *testing.T) {
	logs := &records{}
	spec := specOf(t, "chatty")
	spec.Logger = slog.New(logs)
	start(t, spec)
	waitFor(t, "the stray print", func() bool { _, ok := logs.find("hello from an init"); return ok })
	waitFor(t, "the long line, cut", func() bool { _, ok := logs.find("[cut: 172032 bytes more]"); return ok })
}

func TestPrintsWhileServingNeverBlockThePlugin(t *testing.T) {
	logs := &records{}
	spec := specOf(t, "prints-while-serving")
	spec.Logger = slog.New(logs)
	p := start(t, spec)
	waitFor(t, "the last print", func() bool { _, ok := logs.find("the last print"); return ok })
	describe(t, p)
}

func TestLogLinesKeepTheirLevelAndFields(t *testing.T) {
	logs := &records{}
	spec := specOf(t, "logs")
	spec.Logger = slog.New(logs)
	start(t, spec)
	for _, want := range []string{
		"WARN hclog speaks module=m n=3 stream=stderr",
		"ERROR slog speaks key=v stream=stderr",
		"DEBUG [DEBUG] text speaks stream=stderr",
		"INFO plain speaks stream=stderr",
	} {
		waitFor(t, want, func() bool { _, ok := logs.find(want); return ok })
	}
}

func TestBadPluginsFailWithTheirReason(t *testing.T) {
	tests := []struct {
		kind   string
		stage  proc.Stage
		reason error
		says   []string
	}{
		{"exits-0", proc.StageHandshake, proc.ErrNotAPlugin, []string{"exited with code 0"}},
		{"exits-3", proc.StageHandshake, proc.ErrNotAPlugin, []string{"exited with code 3", "cannot read /etc/thing.conf"}},
		{"not-one", proc.StageHandshake, proc.ErrNotAPlugin, []string{"exited with code 2", "usage: thing [flags]"}},
		{"panics", proc.StageHandshake, proc.ErrNotAPlugin, []string{"exited with code 2", "panic: deep down: boom"}},
		{"hangs", proc.StageHandshake, proc.ErrStartTimeout, []string{"no handshake line", "waiting for a licence server"}},
		{"garbage", proc.StageHandshake, proc.ErrBadHandshake, []string{`got "what is this"`}},
		{"old-core", proc.StageHandshake, proc.ErrProtocolVersion, []string{`core version "7"`}},
		{"new-wire", proc.StageHandshake, proc.ErrProtocolVersion, []string{"the plugin speaks 9, the host 1"}},
		{"netrpc", proc.StageHandshake, proc.ErrBadHandshake, []string{`it speaks "netrpc"`}},
		{"tcp", proc.StageHandshake, proc.ErrBadHandshake, []string{`it listens on "tcp 127.0.0.1:1"`}},
		{"outside", proc.StageHandshake, proc.ErrBadHandshake, []string{"/tmp/elsewhere.sock", "PLUGIN_UNIX_SOCKET_DIR"}},
		{"no-socket", proc.StageConnect, proc.ErrStartTimeout, []string{"no such file or directory"}},
		{"deaf-socket", proc.StageConnect, proc.ErrStartTimeout, []string{"does not answer as a gRPC server"}},
		{"greets-and-dies", proc.StageConnect, nil, []string{"exited with code 4", "sorry"}},
	}
	for _, tt := range tests {
		t.Run(tt.kind, func(t *testing.T) {
			t.Parallel()
			spec := specOf(t, tt.kind)
			if errors.Is(tt.reason, proc.ErrStartTimeout) {
				spec.StartTimeout = 3 * time.Second
			}
			p, err := proc.Start(t.Context(), spec)
			if err == nil {
				_ = p.Stop(context.Background(), 0)
				t.Fatal("it started")
			}
			var se *proc.StartError
			if !errors.As(err, &se) {
				t.Fatalf("%T is no *StartError", err)
			}
			if se.Stage != tt.stage || (tt.reason != nil && !errors.Is(err, tt.reason)) {
				t.Errorf("stage %s, reason %v; want %s, %v", se.Stage, se.Err, tt.stage, tt.reason)
			}
			for _, part := range tt.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the message lacks %q: %s", part, err)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("the message has several lines: %q", err)
			}
			t.Log(err)
			assertEmpty(t, spec.RuntimeDir)
		})
	}
}

func TestFilesThatCannotRunAreExplained(t *testing.T) {
	dir := t.TempDir()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	foreign := slices.Clone(self[:4096])
	foreign[18], foreign[19] = 0xB7, 0 // e_machine: aarch64
	clear(foreign[32:64])              // no program or section headers to follow
	half := self[:30]
	tests := []struct {
		name    string
		content []byte
		mode    os.FileMode
		reason  error
		says    string
	}{
		{"not executable", []byte("#!/bin/sh\n"), 0o644, proc.ErrNotExecutable, "chmod +x"},
		{"text", []byte("hello\n"), 0o755, proc.ErrWrongFormat, "neither a program nor a script"},
		{"empty", nil, 0o755, proc.ErrWrongFormat, "it is empty"},
		{"other architecture", foreign, 0o755, proc.ErrWrongFormat, "built for arm64, this machine is"},
		{"half written", half, 0o755, proc.ErrWrongFormat, "broken or cut off"},
		{"windows program", []byte("MZ\x90\x00"), 0o755, proc.ErrWrongFormat, "Windows"},
		{"interpreter missing", []byte("#!/no/such/python\nprint()\n"), 0o755, proc.ErrWrongFormat, "/no/such/python"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(dir, strings.ReplaceAll(tt.name, " ", "-"))
			if err := os.WriteFile(path, tt.content, tt.mode); err != nil {
				t.Fatal(err)
			}
			run := runtimeDir(t)
			p, err := proc.Start(t.Context(), proc.Spec{Path: path, RuntimeDir: run})
			if err == nil {
				_ = p.Stop(context.Background(), 0)
				t.Fatal("it started")
			}
			var se *proc.StartError
			if !errors.As(err, &se) || se.Stage != proc.StageExec || !errors.Is(err, tt.reason) {
				t.Errorf("got %v, want stage exec and %v", err, tt.reason)
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("the message lacks %q: %s", tt.says, err)
			}
			t.Log(err)
			assertEmpty(t, run)
		})
	}
}

func TestAStartIsGivenUpWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	spec := specOf(t, "hangs")
	time.AfterFunc(200*time.Millisecond, cancel)
	_, err := proc.Start(ctx, spec)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	assertEmpty(t, spec.RuntimeDir)
}

func TestALongRuntimeFolderIsRefusedWithTheCure(t *testing.T) {
	spec := specOf(t, "good")
	spec.RuntimeDir = filepath.Join(spec.RuntimeDir, strings.Repeat("d", 90))
	_, err := proc.Start(t.Context(), spec)
	if err == nil || !strings.Contains(err.Error(), "bytes shorter") {
		t.Errorf("got %v", err)
	}
}

func TestTheEnvironmentIsExactlyTheAllowList(t *testing.T) {
	t.Setenv("HOST_SECRET", "do not leak")
	spec := specOf(t, "good", "GIVEN=1")
	spec.Limits.MemoryBytes = 1 << 30
	p := start(t, spec)
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for kv := range strings.SplitSeq(strings.TrimSuffix(string(raw), "\x00"), "\x00") {
		k, _, _ := strings.Cut(kv, "=")
		keys = append(keys, k)
	}
	slices.Sort(keys)
	want := []string{
		"GIVEN", "GOMEMLIMIT", "ORCH_HANDSHAKE_FD", "ORCH_LIVENESS_FD", "ORCH_PLUGIN",
		"PLUGIN_PROTOCOL_VERSIONS", "PLUGIN_UNIX_SOCKET_DIR", kindKey,
	}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}

func TestNoDescriptorIsInherited(t *testing.T) {
	secret, err := os.Create(filepath.Join(t.TempDir(), "secret"))
	if err != nil {
		t.Fatal(err)
	}
	defer secret.Close()
	p := start(t, specOf(t, "good"))
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		n, _ := strconv.Atoi(e.Name())
		target, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", p.Pid(), n))
		// Go's runtime watches its CPU quota.
		if strings.HasPrefix(target, "/sys/fs/cgroup/") {
			continue
		}
		own := strings.HasPrefix(target, "socket:") || strings.HasPrefix(target, "anon_inode:") || strings.HasPrefix(target, "pipe:")
		if !own && target != "/dev/null" {
			t.Errorf("descriptor %d is %s", n, target)
		}
	}
}
