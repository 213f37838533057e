package embedded

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// TestMain lets the test binary act as the devserver: the supervisor runs it
// with a devserver's command line.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "--db" {
		os.Exit(fakeDevserver(os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

// fakeDevserver keeps the devserver's contract (lock, address file, ready line,
// liveness pipe, health) and misbehaves as the file "script" in its working
// directory says: one word per line, the n-th for the n-th start, the last one
// for all that follow.
func fakeDevserver(args []string) int {
	fs := flag.NewFlagSet("fake", flag.ExitOnError)
	db := fs.String("db", "", "")
	ip := fs.String("ip", "", "")
	port := fs.Int("port", 0, "")
	uiPort := fs.Int("ui-port", 0, "")
	ready := fs.Int("ready-fd", -1, "")
	parent := fs.Int("parent-fd", -1, "")
	level := fs.String("log-level", "", "")
	for _, other := range []string{"retention", "log-format", "namespace"} {
		fs.String(other, "", "")
	}
	_ = fs.Parse(args)
	say := func(m map[string]any) {
		raw, _ := json.Marshal(m)
		f := os.NewFile(uintptr(*ready), "ready")
		_, _ = f.Write(append(raw, '\n'))
		_ = f.Close()
	}
	refuse := func(kind, message string) int {
		say(map[string]any{"error": map[string]any{"kind": kind, "message": message}})
		return 1
	}
	fmt.Fprintf(os.Stderr, `{"time":"2026-01-01T00:00:00Z","level":"WARN","msg":"fake is starting","log_level":%q,"env":%q}`+"\n",
		*level, strings.Join(os.Environ(), " "))
	word := nextWord()
	switch word {
	case "exit":
		fmt.Fprintln(os.Stderr, "panic: out of luck")
		return 3
	case "hang":
		select {}
	case "babble":
		f := os.NewFile(uintptr(*ready), "ready")
		_, _ = f.WriteString("hello\n")
		return 0
	case "unusable", "version", "port":
		return refuse(word, "fake says "+word)
	}
	lock, err := os.OpenFile(*db+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil || unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return refuse("locked", "held")
	}
	_ = lock.Truncate(0)
	_, _ = lock.WriteString(strconv.Itoa(os.Getpid()))
	address := net.JoinHostPort(*ip, strconv.Itoa(*port))
	l, err := net.Listen("tcp", address)
	if err != nil {
		return refuse("port", err.Error())
	}
	srv := grpc.NewServer()
	hs := health.NewServer()
	hs.SetServingStatus("temporal.api.workflowservice.v1.WorkflowService", grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(srv, hs)
	go func() { _ = srv.Serve(l) }()
	addr, _ := json.Marshal(map[string]any{"frontend": address, "ui": "http://ui", "pid": os.Getpid()})
	_ = os.WriteFile(*db+".addr", addr, 0o600)
	ui, reason := "", "switched off"
	if *uiPort != 0 {
		ui, reason = "http://127.0.0.1:"+strconv.Itoa(*uiPort), ""
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if word == "helper" {
		helper := exec.Command("sleep", "600")
		if err := helper.Start(); err != nil {
			return 1
		}
		_ = os.WriteFile("helper", []byte(strconv.Itoa(helper.Process.Pid)), 0o600)
	}
	say(map[string]any{"frontend": address, "ui": ui, "ui_reason": reason, "version": "fake", "pid": os.Getpid()})
	if word == "deaf" {
		select {}
	}
	gone := make(chan struct{})
	go func() {
		_, _ = os.NewFile(uintptr(*parent), "parent").Read(make([]byte, 1))
		close(gone)
	}()
	select {
	case <-ctx.Done():
	case <-gone:
	}
	if word == "slow" {
		_ = os.Remove(*db + ".addr")
		time.Sleep(300 * time.Millisecond) // draining
	}
	srv.Stop()
	_ = os.Remove(*db + ".addr")
	return 0
}

func nextWord() string {
	raw, err := os.ReadFile("script")
	if err != nil {
		return "serve"
	}
	word, rest, more := strings.Cut(strings.TrimSpace(string(raw)), "\n")
	if more {
		_ = os.WriteFile("script", []byte(rest), 0o600)
	}
	return word
}

// fakeOptions run the test binary as the devserver, with the given script.
func fakeOptions(t *testing.T, script ...string) Options {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if len(script) > 0 {
		if err := os.WriteFile(filepath.Join(dir, "script"), []byte(strings.Join(script, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Options{Binary: exe, StateDir: dir, Port: freePort(t),
		Logger:  slog.New(slog.DiscardHandler),
		Restart: Restart{Initial: time.Millisecond, Max: 5 * time.Millisecond}}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
