// Command plugin measures what the plugin boundary costs: the same activity in
// the host's process and in a plugin, on one worker of one embedded server, in
// alternating rounds. Ratios count; absolute times are those of the machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/orch-host/orch/bench/internal/machine"
	"github.com/orch-host/orch/bench/internal/report"
	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore"
	"github.com/orch-host/orch/hostcore/bridge"
	"github.com/orch-host/orch/hostcore/catalog"
	"github.com/orch-host/orch/hostcore/connection"
	"github.com/orch-host/orch/hostcore/embedded"
	"github.com/orch-host/orch/hostcore/router"
	"github.com/orch-host/orch/hostcore/supervisor"
)

func main() {
	rounds := flag.Int("rounds", 10, "alternating rounds per figure")
	flag.Parse()
	if err := run(context.Background(), *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, rounds int) (err error) {
	load, _ := os.ReadFile("/proc/loadavg") // only for the reader
	fmt.Printf("load average at start: %s", load)
	dir, err := os.MkdirTemp("", "orch-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r := report.New("plugin")
	if err := hostFigures(dir, r); err != nil {
		return err
	}
	rig, err := newRig(ctx, dir)
	if err != nil {
		return err
	}
	defer rig.stop()
	if err := rig.coldStart(ctx, r); err != nil {
		return err
	}
	if err := rig.boundary(ctx, r); err != nil {
		return err
	}
	if err := rig.compare(ctx, r, rounds); err != nil {
		return err
	}
	return errors.Join(r.Print(os.Stdout), r.Save())
}

// rig is a host in this process: supervisor, router, bridge and one queue.
type rig struct {
	server     *embedded.Server
	clients    *connection.Clients
	catalog    *catalog.Catalog
	supervisor *supervisor.Supervisor
	router     *router.Router
	queue      *bridge.Queue
}

const taskQueue = "bench-queue"

func newRig(ctx context.Context, dir string) (_ *rig, err error) {
	plugins := filepath.Join(dir, "plugins")
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(plugins, "echo"), "./bench/plugin/echo").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the echo plugin: %w\n%s", err, out)
	}
	cfg := config.Default()
	cfg.Host.StateDir, cfg.Host.RuntimeDir = filepath.Join(dir, "state"), filepath.Join(dir, "run")
	cfg.Plugins.Dir, cfg.Plugins.Mode = plugins, config.TrustOff
	quiet := slog.New(slog.DiscardHandler)
	g := &rig{}
	defer func() {
		if err != nil {
			g.stop()
		}
	}()
	port, err := machine.FreePort()
	if err != nil {
		return nil, err
	}
	if g.server, err = embedded.Start(ctx, embedded.Options{Binary: "bin/devserver", StateDir: cfg.Host.StateDir, Port: port, Logger: quiet}); err != nil {
		return nil, err
	}
	cfg.Temporal.Mode, cfg.Temporal.Address = config.ModeExternal, g.server.Address()
	if g.clients, err = connection.Dial(ctx, cfg.Temporal, func(string) bool { return true }, quiet, connection.Telemetry{}); err != nil {
		return nil, err
	}
	if g.catalog, _, err = hostcore.Catalog(cfg, quiet); err != nil {
		return nil, err
	}
	routes := router.New()
	g.router = routes
	g.supervisor = supervisor.New(supervisor.Options{Finder: g.catalog, Launcher: g.catalog, Router: routes, Logger: quiet,
		Group: func(string) supervisor.Group { return supervisor.Group{} }})
	g.supervisor.Start(ctx)
	c, err := g.clients.For("")
	if err != nil {
		return nil, err
	}
	g.queue, err = bridge.New(bridge.Options{Router: routes, Logger: quiet}).Open(ctx, bridge.QueueOptions{
		Service: "bench", TaskQueue: taskQueue, Client: c, Register: register, StopTimeout: 30 * time.Second,
		Missing: func() []string { return routes.Missing([]string{pluginActivity}) },
	})
	return g, err
}

func (g *rig) stop() {
	if g.queue != nil {
		g.queue.Stop()
	}
	if g.supervisor != nil {
		g.supervisor.Stop()
	}
	if g.catalog != nil {
		g.catalog.Close()
	}
	if g.clients != nil {
		g.clients.Close()
	}
	if g.server != nil {
		_ = g.server.Stop(context.Background()) // the folder is removed anyway
	}
}
