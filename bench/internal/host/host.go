// Package host runs the built host binary for a benchmark.
package host

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/orch-host/orch/bench/internal/machine"
	"github.com/orch-host/orch/hostcore/admin"
	"github.com/orch-host/orch/hostcore/supervisor"
)

// Host is the built host in folders of its own.
type Host struct {
	Plugins  string // folder of its plugins
	Runtime  string
	Temporal string        // address of the frontend
	Admin    *admin.Client // while it runs
	Cmd      *exec.Cmd
	Env      []string // of the host, beside this process's

	config string
	log    bytes.Buffer
}

// NewOn prepares a host below dir for the Temporal server at an address; more is
// TOML that goes before its other settings, so that it may begin with keys of [host].
func NewOn(dir, temporal, more string) (*Host, error) {
	h, err := prepare(dir)
	if err != nil {
		return nil, err
	}
	h.Temporal = temporal
	text := fmt.Sprintf("[temporal]\nmode = \"external\"\naddress = %q\n[plugins]\ndir = %q\nmode = \"off\"\n[host]\nstate_dir = %q\nruntime_dir = %q\n",
		temporal, h.Plugins, filepath.Join(dir, "state"), h.Runtime) + more
	return h, os.WriteFile(h.config, []byte(text), 0o600)
}

func prepare(dir string) (*Host, error) {
	h := &Host{Plugins: filepath.Join(dir, "plugins"), Runtime: filepath.Join(dir, "r"), config: filepath.Join(dir, "orch.toml")}
	return h, os.MkdirAll(h.Plugins, 0o755)
}

// New prepares a host below dir; more is TOML that follows the common settings.
func New(dir, more string) (*Host, error) {
	h, err := prepare(dir)
	if err != nil {
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
	h.Temporal = fmt.Sprintf("127.0.0.1:%d", port)
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
`, filepath.Join(dir, "state"), h.Runtime, h.Plugins, binary, port, ui) + more
	return h, os.WriteFile(h.config, []byte(text), 0o600)
}

// Start runs the host until n plugins serve and says how long they took.
func (h *Host) Start(n int) (time.Duration, error) {
	h.Cmd = exec.Command("bin/host", "--config", h.config)
	h.Cmd.Stderr, h.Cmd.Env = &h.log, append(os.Environ(), h.Env...)
	if err := h.Cmd.Start(); err != nil {
		return 0, err
	}
	began := time.Now()
	h.Admin = admin.NewClient(h.Runtime)
	last := "it has not answered"
	for time.Since(began) < time.Minute {
		list, err := h.Admin.Plugins(context.Background())
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
	h.Stop()
	return 0, fmt.Errorf("the host did not come up: %s\n%s", last, log)
}

// Client is a Temporal client of the host's server, once that answers.
func (h *Host) Client(ctx context.Context) (client.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		c, err := client.DialContext(ctx, client.Options{HostPort: h.Temporal, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
		if err == nil {
			return c, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("reach the host's Temporal: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Stop ends it and waits for its end.
func (h *Host) Stop() {
	h.Admin.Close()
	_ = h.Cmd.Process.Signal(syscall.SIGTERM)
	_ = h.Cmd.Wait() // it was asked to end
}
