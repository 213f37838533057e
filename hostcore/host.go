package hostcore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/admin"
	"github.com/orch-host/orch/hostcore/bridge"
	"github.com/orch-host/orch/hostcore/catalog"
	"github.com/orch-host/orch/hostcore/codec"
	"github.com/orch-host/orch/hostcore/connection"
	"github.com/orch-host/orch/hostcore/dev"
	"github.com/orch-host/orch/hostcore/discover"
	"github.com/orch-host/orch/hostcore/embedded"
	"github.com/orch-host/orch/hostcore/executor"
	"github.com/orch-host/orch/hostcore/pipeline"
	"github.com/orch-host/orch/hostcore/pluginlog"
	"github.com/orch-host/orch/hostcore/proc"
	"github.com/orch-host/orch/hostcore/router"
	"github.com/orch-host/orch/hostcore/statuspage"
	"github.com/orch-host/orch/hostcore/store"
	"github.com/orch-host/orch/hostcore/supervisor"
	"github.com/orch-host/orch/hostcore/trust"
)

// watchDebounce is how long the plugin folder must be quiet before it is looked
// at again.
const watchDebounce = 300 * time.Millisecond

// Options are what a host is started with.
type Options struct {
	Config  *config.Config
	Logger  *slog.Logger
	Version string
}

// Host is a running host.
type Host struct {
	o       Options
	cfg     *config.Config
	started time.Time
	lock    *os.File

	router     *router.Router
	board      *bridge.Board
	catalog    *catalog.Catalog
	supervisor *supervisor.Supervisor
	events     *eventLog
	logs       *pluginlog.Book
	page       *statuspage.Page
	telemetry  *telemetry

	watching sync.WaitGroup
	cancel   context.CancelFunc

	pipelines *pipeline.Registry

	mu       sync.Mutex // what is set after the admin API has begun to ask
	admin    *admin.Server
	embedded *embedded.Server
	clients  *connection.Clients
	queues   []*service
	problems map[string]string // what keeps the host from being ready, by the part that says it
}

// Start brings a host up. ctx bounds the start only; the host runs until Stop.
// When it returns an error, nothing is left running.
func Start(ctx context.Context, o Options) (_ *Host, err error) {
	logs := pluginlog.NewBook()
	o.Logger = slog.New(logs.Handler(o.Logger.Handler()))
	h := &Host{o: o, cfg: o.Config, started: time.Now(), router: router.New(), board: bridge.NewBoard(), events: newEventLog(), problems: map[string]string{}, logs: logs}
	running, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	defer func() {
		if err != nil {
			h.Stop()
		}
	}()
	if err := h.prepareFolders(); err != nil {
		return nil, err
	}
	if err := h.preparePlugins(); err != nil {
		return nil, err
	}
	if err := h.loadPipelines(); err != nil {
		return nil, err
	}
	decoder, err := codecEndpoint(h.cfg.Temporal)
	if err != nil {
		return nil, err
	}
	if h.telemetry, err = h.openTelemetry(); err != nil {
		return nil, err
	}
	token, err := h.token() // one for both, whose guesses count together
	if err != nil {
		return nil, err
	}
	web, err := h.web(token)
	if err != nil {
		return nil, err
	}
	h.page = h.statusPage(token)
	h.note(partLife, "the host is starting: its plugins and Temporal are being reached")
	server, err := admin.Start(h.cfg.Host.RuntimeDir, web, (*backend)(h), admin.Pages{Metrics: h.telemetry.registry, Codec: decoder, Status: h.page})
	if err != nil {
		return nil, err
	}
	h.mu.Lock() // it answers already
	h.admin = server
	h.mu.Unlock()
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		h.supervisor.Start(gctx) // what fails is in its status
		h.clearStore(gctx)
		return nil
	})
	g.Go(func() error { return h.openTemporal(gctx, running) })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	h.watchFolders(running)
	h.note(partLife, "")
	return h, nil
}

// partLife is who says that the host has yet to come, or is going.
const partLife = "host"

func (h *Host) prepareFolders() error {
	c := h.cfg.Host
	for _, dir := range []string{c.StateDir, c.RuntimeDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make the folder %s: %w; set host.state_dir or host.runtime_dir to one that this user may write to", dir, err)
		}
	}
	if err := proc.CheckRuntimeDir(c.RuntimeDir); err != nil {
		return err
	}
	var err error
	if h.lock, err = lockState(c.StateDir); err != nil {
		return err
	}
	swept, err := proc.Sweep(c.RuntimeDir)
	if err != nil {
		h.o.Logger.Warn("the runtime folder could not be swept", "dir", c.RuntimeDir, "error", err)
	}
	if len(swept) > 0 {
		h.o.Logger.Info("removed what an earlier host left behind", "dir", c.RuntimeDir, "entries", len(swept))
	}
	return nil
}

func (h *Host) preparePlugins() error {
	c := h.cfg
	cgroups, err := proc.OpenCgroups()
	if err != nil {
		h.o.Logger.Debug("plugins run without cgroups", "reason", err)
	}
	if h.catalog, err = openCatalog(c, h.o.Logger, cgroups); err != nil {
		return err
	}
	source := dev.Attach(h.catalog, c.Dev, h.o.Logger)
	h.supervisor = supervisor.New(supervisor.Options{
		Finder: source, Launcher: source, Router: h.router, Logger: h.o.Logger, Event: h.events.add,
		Group: func(name string) supervisor.Group {
			g := c.Plugins.Groups[name]
			return supervisor.Group{Version: g.Version, Disabled: g.Disabled, AllowBreaking: g.AllowBreaking, Drain: g.Drain, Settings: settingsOf(g, c.Plugins.StartTimeout)}
		},
		QuarantineFile: filepath.Join(c.Host.StateDir, "quarantine.json"),
		Limits:         supervisor.Limits{Drain: c.Plugins.Drain, Grace: c.Plugins.Grace, Probation: c.Plugins.Probation, BringUp: c.Plugins.StartTimeout},
	})
	return nil
}

// settingsOf tells one configuration of a plugin from another. Values that it
// only refers to, in files and variables, are not looked at.
func settingsOf(g config.Plugin, startTimeout time.Duration) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%v %v", g, startTimeout))
	return hex.EncodeToString(sum[:8])
}

func openCatalog(c *config.Config, logger *slog.Logger, cgroups *proc.Cgroups) (*catalog.Catalog, error) {
	binaries, err := store.Open(filepath.Join(c.Host.StateDir, "store"))
	if err != nil {
		return nil, err
	}
	return catalog.New(catalog.Options{
		Dirs: []string{c.Plugins.Dir}, Store: binaries, Plugins: c.Plugins, RuntimeDir: c.Host.RuntimeDir,
		StateDir: filepath.Join(c.Host.StateDir, "plugin-state"), LogLevel: c.Host.LogLevel, Logger: logger,
		Verify: trust.NewVerifier(c.Plugins, logger).Verify, Cgroups: cgroups, Environ: traceEnviron(c.Host),
	}), nil
}

// codecEndpoint decodes for the Web UI; nil when it is not asked for.
func codecEndpoint(t config.Temporal) (http.Handler, error) {
	c, err := connection.Codec(t.Encryption)
	if err != nil || c == nil || t.Encryption.Token.IsZero() {
		return nil, err
	}
	token, err := t.Encryption.Token.Resolve()
	if err != nil {
		return nil, fmt.Errorf("temporal.encryption.endpoint_token: %w", err)
	}
	return codec.Handler(c, token, origin(t.WebUI)), nil
}

// origin is the scheme, host and port of a URL.
func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// openTemporal reaches the server, starting it first in embedded mode, and
// opens the queues. What goes on afterwards does so until running ends.
func (h *Host) openTemporal(ctx, running context.Context) error {
	t := h.cfg.Temporal
	if t.Mode == config.ModeEmbedded {
		if err := h.startEmbedded(ctx); err != nil {
			return err
		}
		t.Address = h.embedded.Address()
	}
	clients, err := connection.Dial(ctx, t, h.cfg.IsSet, h.o.Logger, h.telemetry.temporal)
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.clients = clients
	h.mu.Unlock()
	if err := h.enterRosters(ctx, running); err != nil {
		return err
	}
	if err := h.openQueues(ctx); err != nil {
		return err
	}
	if err := h.Executor().SyncSchedules(ctx); err != nil {
		h.note("schedules", err.Error())
		h.o.Logger.Warn("not every schedule is as configured", "error", err)
	}
	return nil
}

// reached is the connection to Temporal, for those who may ask before there is
// one: nil then.
func (h *Host) reached() *connection.Clients {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clients
}

// note keeps what a part has to say against the host being ready; "" takes it back.
func (h *Host) note(part, problem string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if problem == "" {
		delete(h.problems, part)
		return
	}
	h.problems[part] = problem
}

func (h *Host) startEmbedded(ctx context.Context) error {
	e := h.cfg.Temporal.Embedded
	server, err := embedded.Start(ctx, embedded.Options{
		Binary: e.Binary, StateDir: h.cfg.Host.StateDir, Port: e.Port, UIPort: e.UIPort, Retention: e.Retention,
		Namespaces: h.namespaces(), Logger: h.o.Logger.With("component", "temporal"), Events: h.embeddedEvent,
	})
	if err != nil {
		return fmt.Errorf("start the embedded Temporal server: %w", err)
	}
	h.mu.Lock()
	h.embedded = server
	h.mu.Unlock()
	return nil
}

func (h *Host) embeddedEvent(e embedded.Event) {
	const part = "temporal"
	switch e.Kind {
	case embedded.Restarted:
		h.note(part, "")
		h.o.Logger.Info("the embedded Temporal server is back", "pid", e.Pid)
	case embedded.Died:
		h.note(part, fmt.Sprintf("the embedded Temporal server died and is started again: %v", e.Err))
		h.o.Logger.Warn("the embedded Temporal server died", "error", e.Err, "restart_in", e.Pause)
	case embedded.GaveUp:
		h.note(part, fmt.Sprintf("the embedded Temporal server cannot be kept running: %v", e.Err))
		h.o.Logger.Error("the embedded Temporal server cannot be kept running", "error", e.Err)
	}
}

// namespaces are the default one and those that services name.
func (h *Host) namespaces() []string {
	all := []string{h.cfg.Temporal.Namespace}
	seen := map[string]bool{h.cfg.Temporal.Namespace: true}
	for _, s := range h.cfg.Services {
		if s.Namespace != "" && !seen[s.Namespace] {
			seen[s.Namespace] = true
			all = append(all, s.Namespace)
		}
	}
	return all
}

// watchFolders reloads plugins and pipelines when their folders change.
func (h *Host) watchFolders(ctx context.Context) {
	h.watch(ctx, h.cfg.Plugins.Dir, func() { h.reload(ctx, "") })
	if _, err := os.Stat(h.cfg.Host.Pipelines); err == nil {
		h.watch(ctx, h.cfg.Host.Pipelines, func() { _ = h.loadPipelines() }) // what is wrong is noted for Ready
	}
}

func (h *Host) watch(ctx context.Context, dir string, changed func()) {
	changes, err := discover.Watch(ctx, dir, watchDebounce)
	if err != nil {
		h.o.Logger.Warn("a folder is not watched; use host plugin reload", "dir", dir, "error", err)
		return
	}
	h.watching.Go(func() {
		for range changes {
			changed()
		}
	})
}

// Executor starts, watches and stops services on this host's server.
func (h *Host) Executor() *executor.Executor { return executor.New(h.cfg, h.clients) }

// Info is who the host is.
func (h *Host) Info() admin.Info { return (*backend)(h).Info() }

// Plugins is how every plugin stands.
func (h *Host) Plugins() []supervisor.Status { return h.supervisor.List() }

// Ready is whether the host does all that it is configured to do.
func (h *Host) Ready() admin.Ready { return (*backend)(h).Ready() }

// Stop ends everything in order and returns when it has ended.
func (h *Host) Stop() {
	h.note(partLife, "the host is stopping")
	h.cancel()
	h.watching.Wait()
	if h.page != nil {
		h.page.Close()
	}
	h.closeQueues()
	if h.supervisor != nil {
		h.supervisor.Stop()
	}
	if h.catalog != nil {
		h.catalog.Close()
	}
	if h.clients != nil {
		h.clients.Close()
	}
	if h.embedded != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		if err := h.embedded.Stop(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			h.o.Logger.Warn("the embedded Temporal server did not stop cleanly", "error", err)
		}
		cancel()
	}
	if h.admin != nil {
		h.admin.Stop()
	}
	if h.telemetry != nil {
		h.telemetry.stop()
	}
	if h.lock != nil {
		_ = h.lock.Close() // releases the lock; the process is about to let go of it anyway
	}
}
