// Package catalog turns the files in the plugin folder into binaries that may
// run: found, copied into the store, checked and described. It also starts
// them; the supervisor above decides when.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/discover"
	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/hostcore/proc"
	"github.com/orch-host/orch/hostcore/store"
	"github.com/orch-host/orch/hostcore/supervisor"
)

// Options are what a catalog works with.
type Options struct {
	Dirs       []string // plugin folders; missing ones are made
	Store      *store.Store
	Plugins    config.Plugins
	RuntimeDir string // sockets
	StateDir   string // parent of the plugins' own folders
	LogLevel   string // handed to the plugins
	Logger     *slog.Logger
	// Environ is what plugins see beside what their group allows.
	Environ []string
	// Verify refuses a binary that must not run. Nil: everything may.
	Verify func(e store.Entry, source string) error
	// Cgroups holds the plugins' limits; nil where cgroup v2 is not delegated.
	Cgroups *proc.Cgroups
	// Parallel is how many plugins are described at once. Default 8.
	Parallel int
}

// Catalog finds and starts plugin binaries.
type Catalog struct {
	o Options

	mu     sync.Mutex
	warm   map[string]*plugin.Instance // described just now and not yet used, by digest
	failed map[string]failedStart      // could not be described, by digest
}

var (
	_ supervisor.Finder   = (*Catalog)(nil)
	_ supervisor.Launcher = (*Catalog)(nil)
	_ supervisor.Forgiver = (*Catalog)(nil)
)

// New makes a catalog.
func New(o Options) *Catalog {
	if o.Parallel <= 0 {
		o.Parallel = 8
	}
	return &Catalog{o: o, warm: map[string]*plugin.Instance{}, failed: map[string]failedStart{}}
}

// Find implements supervisor.Finder. A binary whose manifest is not in the
// cache is started to ask for it and kept for the launch that follows.
func (c *Catalog) Find(ctx context.Context) ([]plugin.Binary, []supervisor.Refusal) {
	paths, refusals := c.paths()
	found := make([]plugin.Binary, len(paths))
	errs := make([]error, len(paths))
	var g errgroup.Group
	g.SetLimit(c.o.Parallel)
	for i, path := range paths {
		g.Go(func() error {
			found[i], errs[i] = c.admit(ctx, path)
			return nil
		})
	}
	_ = g.Wait() // the errors are in errs, one per file
	var binaries []plugin.Binary
	for i := range paths {
		if errs[i] != nil {
			refusals = append(refusals, c.refusal(found[i], errs[i]))
			continue
		}
		binaries = append(binaries, found[i])
	}
	return binaries, refusals
}

// paths lists the files that may be plugins: those in the folders and those
// that a [plugins.<group>] table names.
func (c *Catalog) paths() ([]string, []supervisor.Refusal) {
	var paths []string
	var refusals []supervisor.Refusal
	seen := map[string]bool{}
	add := func(path string) {
		if !seen[path] {
			seen[path] = true
			paths = append(paths, path)
		}
	}
	for _, g := range c.o.Plugins.Groups {
		if g.Path != "" && !g.Disabled {
			add(g.Path)
		}
	}
	for _, dir := range c.o.Dirs {
		candidates, err := discover.Scan(dir)
		if errors.Is(err, fs.ErrNotExist) {
			if err = os.MkdirAll(dir, 0o755); err == nil {
				continue
			}
		}
		if err != nil {
			refusals = append(refusals, supervisor.Refusal{Path: dir, Err: err})
			continue
		}
		for _, cand := range candidates {
			if cand.Problem != nil {
				refusals = append(refusals, supervisor.Refusal{Path: cand.Path, Err: cand.Problem})
				continue
			}
			add(cand.Path)
		}
	}
	return paths, refusals
}

// admit stores, verifies and describes one file.
func (c *Catalog) admit(ctx context.Context, path string) (plugin.Binary, error) {
	entry, err := c.o.Store.Add(path)
	if err != nil {
		return plugin.Binary{Source: path}, err
	}
	b := plugin.Binary{Source: path, Exec: entry.Path, Digest: entry.Digest, Size: entry.Size}
	if c.o.Verify != nil {
		if err := c.o.Verify(entry, path); err != nil {
			return b, err
		}
	}
	if m, ok, err := c.o.Store.Manifest(entry.Digest); err == nil && ok && plugin.CheckManifest(m) == nil {
		b.Manifest = m
		return b, nil
	}
	if err := c.failedBefore(b.Digest, time.Now()); err != nil {
		return b, err
	}
	i, err := c.start(ctx, b, proc.Limits{}, nil)
	if err != nil {
		if ctx.Err() == nil {
			c.noteFailed(b.Digest, err, time.Now())
		}
		return b, err
	}
	if err := c.o.Store.SaveManifest(entry.Digest, i.Manifest); err != nil {
		c.o.Logger.Warn("the manifest of a plugin cannot be cached", "path", path, "error", err)
	}
	c.keepWarm(i)
	return i.Binary, nil
}

// warmTime is how long a process that was started to be described waits to be
// used: as long as a folder full of plugins takes to be described.
const warmTime = 15 * time.Second

// keepWarm holds a process that was started to be described. One that is not
// launched soon was an older version: it is stopped.
func (c *Catalog) keepWarm(i *plugin.Instance) {
	if g := c.o.Plugins.Groups[i.Manifest.GetGroup()]; g.Memory > 0 || g.OpenFiles > 0 || g.RunAs != "" || len(g.Env) > 0 {
		i.Stop(context.Background(), time.Second) // it runs without its limits and environment
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.warm[i.Digest]; old != nil {
		go old.Stop(context.Background(), time.Second)
	}
	c.warm[i.Digest] = i
	time.AfterFunc(warmTime, func() {
		if c.take(i.Digest, i) != nil {
			i.Stop(context.Background(), time.Second)
		}
	})
}

// take removes a warm instance; want nil takes whichever there is.
func (c *Catalog) take(digest string, want *plugin.Instance) *plugin.Instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.warm[digest]
	if i == nil || (want != nil && i != want) {
		return nil
	}
	delete(c.warm, digest)
	return i
}

// Launch implements supervisor.Launcher.
func (c *Catalog) Launch(ctx context.Context, b plugin.Binary) (*plugin.Instance, error) {
	if i := c.take(b.Digest, nil); i != nil && i.Exit() == nil {
		return i, nil
	}
	g := c.o.Plugins.Groups[b.Manifest.GetGroup()]
	return c.start(ctx, b, proc.Limits{MemoryBytes: int64(g.Memory), OpenFiles: uint64(max(g.OpenFiles, 0)), RunAs: g.RunAs}, g.Env)
}

func (c *Catalog) start(ctx context.Context, b plugin.Binary, limits proc.Limits, allow []string) (*plugin.Instance, error) {
	name := b.Manifest.GetName()
	if name == "" {
		name = filepath.Base(b.Source)
	}
	log := c.o.Logger.With("plugin", name)
	p, err := proc.Start(ctx, proc.Spec{
		Path: b.Exec, Name: name, Env: append(Environment(allow, os.Environ()), c.o.Environ...), RuntimeDir: c.o.RuntimeDir,
		Limits: limits, Cgroups: c.o.Cgroups, Logger: log,
	})
	if err != nil {
		return nil, err
	}
	for _, l := range p.Limits() {
		if l.Err != nil {
			log.Warn("a limit of a plugin is not in force", "limit", l.Name, "value", l.Value, "by", l.By, "error", l.Err)
		}
	}
	i, err := plugin.Connect(ctx, p, b)
	if err != nil {
		_ = p.Stop(context.Background(), time.Second) // the error that counts is why it was given up
		return nil, err
	}
	return i, nil
}

// Configure implements supervisor.Launcher.
func (c *Catalog) Configure(ctx context.Context, i *plugin.Instance) error {
	group := i.Manifest.GetGroup()
	g := c.o.Plugins.Groups[group]
	g.Group = group
	if problem := config.GroupProblem(group); problem != "" {
		c.o.Logger.Warn("no table of orch.toml can configure this plugin: build it with another group", "plugin", i.Manifest.GetName(), "problem", problem)
	}
	table, err := g.ResolveConfig(config.Resolver{})
	if err != nil {
		return err
	}
	dir := filepath.Join(c.o.StateDir, i.Manifest.GetName())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the state folder of plugin %s: %w", i.Manifest.GetName(), err)
	}
	if err := proc.HandOver(dir, g.RunAs); err != nil {
		return fmt.Errorf("give the state folder of plugin %s to the user it runs as: %w", i.Manifest.GetName(), err)
	}
	if err := i.Configure(ctx, table, c.o.LogLevel, dir); err != nil {
		return err
	}
	return i.AwaitReady(ctx)
}

// always passes through: without them nothing finds its programs or its time
// zone.
var always = []string{"PATH", "HOME", "LANG", "TZ", "TMPDIR"}

// Environment is the part of environ that a plugin sees: a handful of names
// that every program needs, and those that its group allows.
func Environment(allow, environ []string) []string {
	pass := map[string]bool{}
	for _, name := range slices.Concat(allow, always) {
		pass[name] = true
	}
	var env []string
	for _, kv := range environ {
		if name, _, ok := strings.Cut(kv, "="); ok && pass[name] {
			env = append(env, kv)
		}
	}
	return env
}

// Collect removes the stored binaries that were not used for the time given, and
// are not used now. Whatever is in a plugin folder was used by the last Find.
func (c *Catalog) Collect(used []string, unused time.Duration) ([]store.Entry, error) {
	return c.o.Store.Collect(used, unused)
}

// Close stops what was described and never used.
func (c *Catalog) Close() {
	c.mu.Lock()
	warm := c.warm
	c.warm = map[string]*plugin.Instance{}
	c.mu.Unlock()
	for _, i := range warm {
		i.Stop(context.Background(), time.Second)
	}
}
