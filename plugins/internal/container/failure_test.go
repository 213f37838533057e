package container

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orch-host/orch/sdk"
)

func TestAFailedReplacementPutsTheOldContainerBack(t *testing.T) {
	neverReady := func(s Spec) Spec {
		s.Ready = func(context.Context, Endpoints) error { return errors.New("not today") }
		s.ReadyTimeout = time.Second
		return s
	}
	tests := []struct {
		name   string
		change func(*world, Spec) Spec
		want   string
	}{
		{"because it exits", func(_ *world, s Spec) Spec { s.Cmd = []string{"exit", "3", "bad configuration"}; return s }, "exited with code 3"},
		{"because it is never ready", func(_ *world, s Spec) Spec { return neverReady(s) }, "not today"},
		{"because its command does not exist", func(_ *world, s Spec) Spec { s.Entrypoint = []string{"/nothing"}; return s }, "/nothing"},
		{"because its port is in use", func(w *world, s Spec) Spec { s.Ports = []Port{{Container: 8080, Host: busyPort(w.t)}}; return s }, "is in use"},
		{"because the engine refuses it", func(_ *world, s Spec) Spec { s.Binds = []Bind{{Source: "relative", Path: "/x"}}; return s }, "relative"},
		{"because its image is missing", func(_ *world, s Spec) Spec { s.Image = "localhost:1/orch/none:1"; return s }, "docker pull localhost:1/orch/none:1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			before := w.ensure(w.spec("one"))
			_, err := w.Ensure(t.Context(), tt.change(w, w.spec("two")))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want one with %q", err, tt.want)
			}
			if diff := cmp.Diff(map[string]string{w.service + "-web": "running"}, w.containers()); diff != "" {
				t.Errorf("containers (-want +got):\n%s", diff)
			}
			after := w.ensure(w.spec("one"))
			if after.ID != before.ID || after.Action != Unchanged || w.says(after) != "one" {
				t.Errorf("afterwards %+v, want the container of before", after)
			}
		})
	}
}

func TestACancelledReplacementPutsTheOldContainerBack(t *testing.T) {
	w := newWorld(t)
	before := w.ensure(w.spec("one"))
	ctx, cancel := context.WithCancel(t.Context())
	s := w.spec("two")
	s.Ready = func(context.Context, Endpoints) error { cancel(); return errors.New("not yet") }
	_, err := w.Ensure(ctx, s)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want cancelled", err)
	}
	if after := w.ensure(w.spec("one")); after.ID != before.ID || after.Action != Unchanged {
		t.Errorf("afterwards %+v, want the container of before", after)
	}
}

func TestAPortInUseIsNamedWithItsSettingAndHolder(t *testing.T) {
	w := newWorld(t)
	port := busyPort(t)
	s := w.spec("hello")
	s.Ports = []Port{{Container: 8080, Host: port, Setting: "plugins.databases.config.web.port"}}
	_, err := w.Ensure(t.Context(), s)
	var inUse *PortInUseError
	if !errors.As(err, &inUse) || inUse.Addr != fmt.Sprintf("127.0.0.1:%d", port) || inUse.Setting != "plugins.databases.config.web.port" {
		t.Fatalf("error %v, want a PortInUseError with port and setting", err)
	}

	other := w.spec("other")
	other.Component, other.Volumes = "other", nil
	free := freePort(t)
	other.Ports = []Port{{Container: 8080, Host: free}}
	w.ensure(other)
	s.Ports[0].Host = free
	_, err = w.Ensure(t.Context(), s)
	if !errors.As(err, &inUse) || inUse.Holder != w.service+"-other" {
		t.Fatalf("error %v, want the holder %s-other", err, w.service)
	}
	if _, err := w.Delete(t.Context(), other.Ref(), DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := w.ensure(s); got.Action != Created || w.says(got) != "hello" {
		t.Errorf("with the port free: %+v", got)
	}
}

func TestThePortThatIsInUseIsToldFromThoseThatLookLikeIt(t *testing.T) {
	e, err := New(Options{Host: "unix:///nowhere/docker.sock"}) // the words are the engine's, of several versions
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ports := []Port{{Container: 1, Host: 3100, HostIP: "127.0.0.1", Setting: "b"}, {Container: 2, Host: 31000, HostIP: "127.0.0.1", Setting: "c"}, {Container: 3100, Host: 3000, HostIP: "127.0.0.1", Setting: "a"}}
	for msg, want := range map[string]string{
		"Bind for 127.0.0.1:31000 failed: port is already allocated":                                                "c",
		"Error starting userland proxy: listen tcp4 127.0.0.1:3100: bind: address already in use":                   "b",
		"failed to bind host port for 127.0.0.1:3000:172.18.0.2:3100/tcp: address already in use":                   "a",
		"driver failed programming external connectivity on endpoint x (1): Bind for 0.0.0.0:7 failed: port is ...": "",
	} {
		var inUse *PortInUseError
		err := (&ensuring{Engine: e, s: Spec{Name: "x", Ports: ports}}).portInUse(t.Context(), msg, errors.New(msg))
		if !errors.As(err, &inUse) || inUse.Setting != want {
			t.Errorf("%s\n%v, want the setting %q", msg, err, want)
		}
	}
}

func TestAContainerThatExitsFailsAtOnceWithItsLog(t *testing.T) {
	w := newWorld(t)
	s := w.spec("x")
	s.Cmd = []string{"exit", "7", "first line", "password=canary-hunter2", "cannot open /data"}
	s.SecretEnv = map[string]sdk.Secret{"PASSWORD": "canary-hunter2"}
	began := time.Now()
	_, err := w.Ensure(t.Context(), s)
	var exited *ExitedError
	if !errors.As(err, &exited) || exited.ExitCode != 7 {
		t.Fatalf("error %v, want an ExitedError with code 7", err)
	}
	if want := "first line\npassword=***\ncannot open /data"; exited.LogTail != want {
		t.Errorf("log tail %q, want %q", exited.LogTail, want)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s, want at once", took)
	}
	for range 2 { // another attempt tries again, and does not make a second container
		if _, err := w.Ensure(t.Context(), s); !errors.As(err, &exited) {
			t.Fatalf("error %v, want an ExitedError", err)
		}
	}
	if diff := cmp.Diff(map[string]string{w.service + "-web": "exited"}, w.containers()); diff != "" {
		t.Errorf("containers (-want +got):\n%s", diff)
	}
}

func TestAContainerThatIsNotReadyTellsTheLastAnswerAndItsLog(t *testing.T) {
	w := newWorld(t)
	s := w.spec("x")
	s.Cmd = []string{"hang"}
	s.ReadyTimeout = time.Second
	_, err := w.Ensure(t.Context(), s)
	var notReady *NotReadyError
	if !errors.As(err, &notReady) || notReady.LogTail != "hanging" || notReady.Err == nil {
		t.Fatalf("error %v, want a NotReadyError with the log", err)
	}
	final := w.spec("x")
	final.ReadyTimeout = time.Hour
	final.Ready = func(context.Context, Endpoints) error { return sdk.NonRetryable(errors.New("wrong password")) }
	_, err = w.Ensure(t.Context(), final)
	var f *sdk.Error
	if !errors.As(Failure(err), &f) || !f.NonRetryable || f.Type != TypeNotReady {
		t.Errorf("Failure gives %+v, want a final %s", f, TypeNotReady)
	}
}

func TestAMissingImageNamesItselfAndTheCommand(t *testing.T) {
	w := newWorld(t)
	s := w.spec("x")
	s.Image, s.ImageSetting = "localhost:1/orch/none:1", "plugins.databases.config.web.image"
	_, err := w.Ensure(t.Context(), s)
	var missing *ImageError
	if !errors.As(err, &missing) || missing.Absent {
		t.Fatalf("error %v, want an ImageError that may be retried", err)
	}
	for _, want := range []string{"docker pull localhost:1/orch/none:1", "make images", "plugins.databases.config.web.image"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
	if got := w.containers(); len(got) != 0 {
		t.Errorf("containers %v, want none", got)
	}
}

func TestAnUnreachableEngineSaysWhereWhyAndWhatToDo(t *testing.T) {
	dir := t.TempDir()
	dead := dir + "/dead.sock"
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, host, want string }{
		{"when there is no socket", "unix://" + dir + "/none.sock", "there is no such socket"},
		{"when nobody listens", "unix://" + dead, "nobody listens"},
		{"when a TCP port is closed", fmt.Sprintf("tcp://127.0.0.1:%d", freePort(t)), "start Docker, or set plugins.databases.config.docker.host"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := New(Options{Host: tt.host, Setting: "plugins.databases.config.docker.host"})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			_, err = e.Ensure(t.Context(), Spec{Service: "s", Component: "c", Image: "i"})
			var u *UnreachableError
			if !errors.As(err, &u) || u.Host != tt.host || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want an UnreachableError for %s with %q", err, tt.host, tt.want)
			}
		})
	}
}

func busyPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().(*net.TCPAddr).Port
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

func TestALongLogIsCutToItsEnd(t *testing.T) {
	w := newWorld(t)
	s := w.spec("")
	s.Cmd = []string{"exit", "3"}
	for i := range 40 {
		s.Cmd = append(s.Cmd, fmt.Sprintf("line %02d %s", i, strings.Repeat("x", 300)))
	}
	_, err := w.Ensure(t.Context(), s)
	var exited *ExitedError
	if !errors.As(err, &exited) {
		t.Fatal(err)
	}
	if n := len(exited.LogTail); n > tailSize || n < tailSize/2 || !strings.Contains(exited.LogTail, "line 39") || strings.Contains(exited.LogTail, "line 20") {
		t.Errorf("%d bytes of tail:\n%s", n, exited.LogTail)
	}
}
