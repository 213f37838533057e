package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/orch-host/orch/bench/load"
	"github.com/orch-host/orch/hostcore/admin"
	"github.com/orch-host/orch/hostcore/supervisor"

	"github.com/orch-host/orch/bench/internal/machine"
)

// host runs the built host in folders of its own.
type host struct {
	dir, plugins, runtime, config, temporal string

	cmd   *exec.Cmd
	log   bytes.Buffer
	admin *admin.Client
}

func newHost(dir string) (*host, error) {
	h := &host{dir: dir, plugins: filepath.Join(dir, "plugins"), runtime: filepath.Join(dir, "r"), config: filepath.Join(dir, "orch.toml")}
	if err := os.MkdirAll(h.plugins, 0o755); err != nil {
		return nil, err
	}
	port, err := machine.FreePort()
	if err != nil {
		return nil, err
	}
	ui, err := machine.FreePort()
	if err != nil {
		return nil, err
	}
	binary, err := filepath.Abs("bin/devserver")
	if err != nil {
		return nil, err
	}
	h.temporal = fmt.Sprintf("127.0.0.1:%d", port)
	text := fmt.Sprintf(`[host]
state_dir = %q
runtime_dir = %q
listen = "127.0.0.1:0"
[plugins]
dir = %q
mode = "off"
[temporal.embedded]
binary = %q
port = %d
ui_port = %d
[services.load]
workflow = "NobodysWorkflow"
plugins = ["load"]
max_concurrency = 1000
`, filepath.Join(dir, "state"), h.runtime, h.plugins, binary, port, ui)
	return h, os.WriteFile(h.config, []byte(text), 0o600)
}

// start runs the host until n plugins serve and says how long they took.
func (h *host) start(n int) (time.Duration, error) {
	h.cmd = exec.Command("bin/host", "--config", h.config)
	h.cmd.Stderr = &h.log
	if err := h.cmd.Start(); err != nil {
		return 0, err
	}
	began := time.Now()
	h.admin = admin.NewClient(h.runtime)
	last := "it has not answered"
	for time.Since(began) < time.Minute {
		list, err := h.admin.Plugins(context.Background())
		if err == nil {
			ready, latest := 0, time.Time{}
			for _, p := range list {
				if p.State == supervisor.Ready {
					ready++
				}
				if p.Since.After(latest) {
					latest = p.Since
				}
			}
			if ready >= n {
				return time.Since(began), nil
			}
			last = fmt.Sprintf("%d of %d plugins serve", ready, n)
		}
		time.Sleep(10 * time.Millisecond)
	}
	log := h.log.String()
	h.stop()
	return 0, fmt.Errorf("the host did not come up: %s\n%s", last, log)
}

func (h *host) stop() {
	h.admin.Close()
	_ = h.cmd.Process.Signal(syscall.SIGTERM)
	_ = h.cmd.Wait() // it was asked to end
}

// cost is what a start took and what the host holds after it.
type cost struct {
	took   time.Duration
	memory float64 // MB
}

// once starts the host with n plugins, of which the first have are there, and
// stops it.
func (h *host) once(binary []byte, have, n int) (cost, error) {
	for i := have; i < n; i++ {
		name := "load"
		if i > 0 {
			name = fmt.Sprintf("load%d", i)
		}
		b, err := load.Variant(binary, load.Identity{Name: name})
		if err != nil {
			return cost{}, err
		}
		if err := load.Install(filepath.Join(h.plugins, name), b); err != nil {
			return cost{}, err
		}
	}
	time.Sleep(300 * time.Millisecond) // the files have come to rest
	took, err := h.start(n)
	if err != nil {
		return cost{}, err
	}
	defer h.stop()
	time.Sleep(2 * time.Second)
	rss, err := machine.Memory(h.cmd.Process.Pid)
	return cost{took, rss}, err
}
