package e2e

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/client"
	"golang.org/x/sys/unix"
)

// machine is a network namespace with a Docker engine of its own: what a second
// machine is to the first one, but for the files.
type machine struct {
	t      *testing.T
	name   string
	dir    string
	docker *client.Client
	log    output
}

// newMachine starts one whose engine has the images.
func newMachine(t *testing.T, first *client.Client, images ...string) *machine {
	t.Helper()
	for _, program := range []string{"dockerd", "ip", "nsenter"} {
		if _, err := exec.LookPath(program); err != nil || os.Getuid() != 0 {
			t.Skip("a second machine needs root, dockerd, ip and nsenter")
		}
	}
	m := &machine{t: t, name: unique()}
	var err error
	if m.dir, err = os.MkdirTemp("", "machine"); err != nil { // short: it holds sockets
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(m.dir) })
	if out, err := exec.Command("ip", "netns", "add", m.name).CombinedOutput(); err != nil {
		t.Skipf("a second machine needs a network namespace: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("ip", "netns", "delete", m.name).CombinedOutput(); err != nil {
			t.Errorf("remove the network namespace: %v: %s", err, out)
		}
	})
	if out, err := m.command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	m.startEngine()
	saved, err := first.ImageSave(t.Context(), images)
	if err != nil {
		t.Fatal(err)
	}
	defer saved.Close()
	loaded, err := m.docker.ImageLoad(t.Context(), saved)
	if err != nil {
		t.Fatal(err)
	}
	loaded.Body.Close()
	return m
}

// enter is what runs a command in the machine.
func (m *machine) enter() []string { return []string{"nsenter", "--net=/run/netns/" + m.name} }

func (m *machine) command(args ...string) *exec.Cmd {
	all := slices.Concat(m.enter(), args)
	return exec.Command(all[0], all[1:]...)
}

func (m *machine) host() string { return "unix://" + filepath.Join(m.dir, "docker.sock") }

func (m *machine) startEngine() {
	m.t.Helper()
	write(m.t, filepath.Join(m.dir, "daemon.json"), 0o600, "{}") // not that of the first machine
	daemon := m.command("dockerd", "--config-file", filepath.Join(m.dir, "daemon.json"), "--host", m.host(), "--data-root", filepath.Join(m.dir, "data"),
		"--exec-root", filepath.Join(m.dir, "exec"), "--pidfile", filepath.Join(m.dir, "pid"), "--storage-driver", "vfs", "--bridge", "none",
		"--iptables=false", "--ip6tables=false", "--ip-masq=false")
	daemon.Stdout, daemon.Stderr = &m.log, &m.log
	if err := daemon.Start(); err != nil {
		m.t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = daemon.Wait()
	}()
	m.t.Cleanup(func() {
		_ = daemon.Process.Signal(syscall.SIGTERM)
		<-over
		if m.t.Failed() {
			m.t.Logf("log of the second engine:\n%.4000s", m.log.String())
		}
	})
	var err error
	if m.docker, err = client.NewClientWithOpts(client.WithHost(m.host()), client.WithAPIVersionNegotiation()); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = m.docker.Close() })
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		select {
		case <-over:
			m.t.Skipf("a second engine does not run here: %.2000s", m.log.String())
		default:
		}
		if _, err := m.docker.Ping(context.Background()); err == nil {
			return
		} else if time.Now().After(end) {
			m.t.Fatal(err)
		}
	}
}

// listen opens a port of the machine's loopback address.
func (m *machine) listen(port int) net.Listener {
	m.t.Helper()
	type opened struct {
		net.Listener
		err error
	}
	result := make(chan opened)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread stays in the namespace and ends with the goroutine
		ns, err := os.Open("/run/netns/" + m.name)
		if err == nil {
			defer ns.Close()
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
		}
		if err != nil {
			result <- opened{err: err}
			return
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		result <- opened{l, err}
	}()
	o := <-result
	if o.err != nil {
		m.t.Fatal(o.err)
	}
	return o.Listener
}

func TestHostsOnMachinesOfTheirOwnWorkOnTheirOwnEngines(t *testing.T) {
	first := engine(t)
	second := newMachine(t, first, neo4jImage, qdrantImage)
	temporal, _ := temporalOnly(t)
	lay(t, second.listen(temporal.port), temporal.port, temporal.port) // the way from the second machine to Temporal
	a, b := databases(t, first, ""), databases(t, second.docker, second.host())
	write(t, b.config, 0o600, strings.ReplaceAll(read(t, b.config), b.service, a.service))
	b.service, b.within = a.service, second.enter()
	for name, r := range map[string]*rig{"a": a, "b": b} {
		r.external(temporal.port)
		text := strings.Replace(read(t, r.config), "[host]", fmt.Sprintf("[host]\nname = %q", name), 1)
		text = strings.Replace(text, "[services."+r.service+"]", "[services."+r.service+"]\nplacement = \"all\"", 1)
		write(t, r.config, 0o600, text+fmt.Sprintf("\n[services.%[1]s-b]\nworkflow = \"DatabasePipelineWorkflow\"\nplacement = \"b\"\nparams = { service_name = %[1]q }\n", r.service))
		r.start()
	}
	a.expect(0, "start", "--wait", a.service)
	onFirst, onSecond := a.checkContainers(first), b.checkContainers(second.docker)
	for name, id := range onFirst {
		if onSecond[name] == id || onSecond[name] == "" {
			t.Errorf("%s is %s on the first engine and %q on the second", name, id, onSecond[name])
		}
	}
	a.expect(0, "start", "--wait", a.service)
	if !maps.Equal(onFirst, a.checkContainers(first)) || !maps.Equal(onSecond, b.checkContainers(second.docker)) {
		t.Error("a second run changed containers")
	}

	// What one machine has lost comes back there, asked for from the other.
	b.removeContainers(second.docker)
	a.expect(0, "start", "--wait", a.service+"-b")
	b.checkContainers(second.docker)
	if !maps.Equal(onFirst, a.checkContainers(first)) {
		t.Error("work for the second machine was done on the first")
	}
}
