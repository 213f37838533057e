package server

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"

	"go.temporal.io/server/common/log/tag"
	"golang.org/x/sys/unix"
)

func TestAFatalLineEndsTheProcessWithAFailure(t *testing.T) {
	var out bytes.Buffer
	code := -1
	l := logger{slog: slog.New(slog.NewTextHandler(&out, nil)), exit: func(c int) { code = c }}
	l.With(tag.NewStringTag("service", "frontend")).Fatal("no listener", tag.NewInt("port", 7233))
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	for _, want := range []string{"level=ERROR", `msg="fatal: no listener"`, "service=frontend", "port=7233"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the line lacks %s: %s", want, out.String())
		}
	}
}

func TestLogLinesKeepTheirLevel(t *testing.T) {
	var out bytes.Buffer
	level := new(slog.LevelVar)
	level.Set(slog.LevelWarn)
	l := newLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level})))
	derived := l.With(tag.NewInt("shard", 1))
	derived.Info("quiet")
	derived.Warn("heard")
	level.Set(slog.LevelError + 4)
	derived.Error("late")
	if got := out.String(); strings.Contains(got, "quiet") || strings.Contains(got, "late") || !strings.Contains(got, "msg=heard") {
		t.Errorf("logged: %s", got)
	}
}

func TestAProbeTellsABusyPortFromAForbiddenAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = probePort("127.0.0.1", l.Addr().(*net.TCPAddr).Port, "Temporal frontend", "port", "temporal.embedded.port")
	if !errors.Is(err, unix.EADDRINUSE) || !strings.Contains(err.Error(), "is taken, perhaps by another Temporal server") {
		t.Errorf("busy: got %v", err)
	}
	err = probePort("192.0.2.1", 7233, "Temporal frontend", "port", "temporal.embedded.port")
	if !errors.Is(err, unix.EADDRNOTAVAIL) || strings.Contains(err.Error(), "is taken") {
		t.Errorf("foreign address: got %v", err)
	}
}

func TestFreePortsDifferAndCanBeListenedOn(t *testing.T) {
	ports, err := freePorts("127.0.0.1", 8)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, p := range ports {
		if seen[p] {
			t.Errorf("port %d came twice", p)
		}
		seen[p] = true
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(p))
		if err != nil {
			t.Errorf("port %d: %v", p, err)
			continue
		}
		_ = l.Close()
	}
}

func TestOnlyTheFrontendLeavesTheLoopback(t *testing.T) {
	where, err := newLayout("0.0.0.0", 7233)
	if err != nil {
		t.Fatal(err)
	}
	for name, service := range serverConfig(where, nil).Services {
		want := loopback
		if name == "frontend" {
			want = "0.0.0.0"
		}
		if service.RPC.BindOnIP != want {
			t.Errorf("%s listens on %s, want %s", name, service.RPC.BindOnIP, want)
		}
	}
	if where.frontendAddress != "127.0.0.1:7233" {
		t.Errorf("clients dial %s, want 127.0.0.1:7233", where.frontendAddress)
	}
}
