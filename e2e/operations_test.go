package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestSystemdIsToldWhenTheHostServesAndThatItLives(t *testing.T) {
	r := newRig(t, []string{bin("plugins", "greeter")}, "")
	path := filepath.Join(r.runtime, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var told []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 256)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			mu.Lock()
			told = append(told, string(buf[:n]))
			mu.Unlock()
		}
	}()
	defer func() { _ = conn.Close(); <-done }()
	heard := func(what string, times int) func() error {
		return func() error {
			mu.Lock()
			defer mu.Unlock()
			if n := strings.Count(strings.Join(told, "\n"), what); n < times {
				return fmt.Errorf("%s was told %d times: %q", what, n, told)
			}
			return nil
		}
	}
	r.env = []string{"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=300000"}
	h := r.start()
	r.eventually("the host is ready", heard("READY=1", 1))
	r.eventually("the host shows signs of life", heard("WATCHDOG=1", 3))
	_ = h.Process.Signal(syscall.SIGTERM)
	<-h.done
	r.eventually("the host says that it stops", heard("STOPPING=1", 1))
}

func TestACopyOfTheStateFolderIsABackUp(t *testing.T) {
	pipelines, err := filepath.Abs("../examples/pipelines")
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, []string{bin("plugins", "greeter")}, "[services.{service}]\npipeline = \"hello\"\n")
	write(t, r.config, 0o600, strings.Replace(read(t, r.config), "[host]", fmt.Sprintf("[host]\npipelines_dir = %q", pipelines), 1))
	stop := func(h *running) {
		_ = h.Process.Signal(syscall.SIGTERM)
		<-h.done
	}
	h := r.start()
	r.expect(0, "start", r.service, "--wait", "--param", "name=backup")
	stop(h)
	state := filepath.Join(r.dir, "state")
	if out, err := exec.Command("cp", "-a", state, state+".copy").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	h = r.start()
	r.expect(0, "start", r.service, "--wait", "--param", "name=later")
	stop(h)
	if err := os.RemoveAll(state); err != nil { // the disk is lost
		t.Fatal(err)
	}
	if err := os.Rename(state+".copy", state); err != nil {
		t.Fatal(err)
	}
	r.start()
	if o := r.expect(0, "status", r.service); !strings.Contains(o.stdout, "Hello, backup!") {
		t.Errorf("the restored state does not know the run: %v", o)
	}
	r.eventually("the plugin serves", func() error { return r.serves("greeter") })
	r.expect(0, "start", r.service, "--wait", "--param", "name=again")
}

func TestInstallPutsEverythingInPlace(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("make is not there")
	}
	dir := t.TempDir()
	c := exec.CommandContext(t.Context(), "make", "-o", "build", "install", "DESTDIR="+dir, "PREFIX=/opt/orch")
	c.Dir = ".."
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	unit := read(t, filepath.Join(dir, "opt/orch/lib/systemd/system/orch.service"))
	if !strings.Contains(unit, "ExecStart=/opt/orch/bin/host ") || strings.Contains(unit, "@PREFIX@") {
		t.Errorf("the unit starts something else:\n%s", unit)
	}
	if strings.Contains(unit, "SupplementaryGroups=") {
		t.Error("the unit does not start where a group that it names is missing")
	}
	for _, path := range []string{"bin/host", "bin/devserver", "lib/orch/plugins/databases", "lib/orch/plugins/deploy"} {
		info, err := os.Stat(filepath.Join(dir, "opt/orch", path))
		if errors.Is(err, os.ErrNotExist) || info.Mode().Perm() != 0o755 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), filepath.Join(dir, "opt/orch/bin/host"), "version").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
