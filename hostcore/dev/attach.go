package dev

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/hostcore/supervisor"
	"github.com/orch-host/orch/sdk/pluginv1"
)

const (
	findTimeout = 2 * time.Second        // for an answer when the folder is looked at
	retryEvery  = 250 * time.Millisecond // while waiting for a plugin to come back
)

// Source is where binaries come from and who starts them.
type Source interface {
	supervisor.Finder
	supervisor.Launcher
}

// attached is a Source with some groups taken out of developers' hands.
type attached struct {
	Source
	groups map[string]string // address by group
	log    *slog.Logger
}

var _ Source = (*attached)(nil)

// Attach puts the plugins that tables names in the place of their groups'
// binaries; without any it returns s.
func Attach(s Source, tables map[string]config.Dev, log *slog.Logger) Source {
	if len(tables) == 0 {
		return s
	}
	a := &attached{Source: s, groups: map[string]string{}, log: log}
	for group, t := range tables {
		a.groups[group] = t.Attach
		log.Warn("a plugin is attached, not started: it is not checked against the lock file", "group", group, "address", t.Attach)
	}
	return a
}

// Find implements supervisor.Finder.
func (a *attached) Find(ctx context.Context) ([]plugin.Binary, []supervisor.Refusal) {
	all, refusals := a.Source.Find(ctx)
	binaries := slices.DeleteFunc(all, func(b plugin.Binary) bool {
		_, ok := a.groups[b.Manifest.GetGroup()]
		return ok
	})
	for _, group := range slices.Sorted(maps.Keys(a.groups)) {
		b, err := a.ask(ctx, group)
		if err != nil {
			refusals = append(refusals, supervisor.Refusal{Path: a.groups[group], Digest: b.Digest, Err: err})
			continue
		}
		binaries = append(binaries, b)
	}
	return binaries, refusals
}

// ask describes the plugin of a group.
func (a *attached) ask(ctx context.Context, group string) (plugin.Binary, error) {
	address := a.groups[group]
	// One address is one plugin, however often it was rebuilt behind it.
	sum := sha256.Sum256([]byte("attached " + address))
	b := plugin.Binary{Source: address, Digest: hex.EncodeToString(sum[:]), Manifest: &pluginv1.Manifest{}, Attached: true}
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	i, err := a.connect(ctx, b)
	if err != nil {
		return b, fmt.Errorf("dev.%s.attach: no plugin answers at %s: start it with \"<plugin> attach %s\", then host plugin reload: %w", group, address, address, err)
	}
	defer i.Stop(context.Background(), 0)
	if got := i.Manifest.GetGroup(); got != group {
		return b, fmt.Errorf("dev.%s.attach: the plugin at %s is %s of group %s: name the table [dev.%s]", group, address, i.Manifest.GetName(), got, got)
	}
	b.Manifest = i.Manifest
	return b, nil
}

func (a *attached) connect(ctx context.Context, b plugin.Binary) (*plugin.Instance, error) {
	p, err := dial(ctx, b.Source)
	if err != nil {
		return nil, err
	}
	i, err := plugin.Connect(ctx, p, b)
	if err != nil {
		_ = p.Stop(ctx, 0) // it only closes the connection
		return nil, err
	}
	return i, nil
}

// Launch implements supervisor.Launcher. It waits for an attached plugin that
// is not there, as long as a start may take.
func (a *attached) Launch(ctx context.Context, b plugin.Binary) (*plugin.Instance, error) {
	if !slices.Contains(slices.Collect(maps.Values(a.groups)), b.Source) {
		return a.Source.Launch(ctx, b)
	}
	for {
		i, err := a.connect(ctx, b)
		if err == nil {
			return i, nil
		}
		select {
		case <-time.After(retryEvery):
		case <-ctx.Done():
			return nil, fmt.Errorf("the attached plugin %s does not answer at %s: start it with \"<plugin> attach %s\": %w", b.Manifest.GetName(), b.Source, b.Source, err)
		}
	}
}
