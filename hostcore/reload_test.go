package hostcore

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/router"
	"github.com/orch-host/orch/hostcore/store"
)

func TestAReloadClearsTheStoreOfOldBuilds(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "orch-reload") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	c := config.Default()
	c.Host.StateDir, c.Host.RuntimeDir, c.Plugins.Dir, c.Plugins.Mode = filepath.Join(dir, "state"), filepath.Join(dir, "run"), filepath.Join(dir, "plugins"), config.TrustOff
	if err := errors.Join(os.MkdirAll(c.Plugins.Dir, 0o755), os.MkdirAll(c.Host.RuntimeDir, 0o700), os.MkdirAll(c.Host.StateDir, 0o700)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(c.Plugins.Dir, "one")
	built := func(text string) store.Entry {
		t.Helper()
		if err := os.WriteFile(file, []byte("#!/bin/sh\nexit 3 # "+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		s, err := store.Open(filepath.Join(c.Host.StateDir, "store"))
		if err != nil {
			t.Fatal(err)
		}
		e, err := s.Add(file)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	h := &Host{cfg: c, o: Options{Config: c, Logger: slog.New(slog.DiscardHandler)}, router: router.New(), events: newEventLog()}
	if err := h.preparePlugins(); err != nil {
		t.Fatal(err)
	}
	defer func() { h.supervisor.Stop(); h.catalog.Close() }()
	old, lately, now := built("a month ago"), built("yesterday"), built("just now")
	for e, age := range map[store.Entry]time.Duration{old: 30 * 24 * time.Hour, lately: 24 * time.Hour, now: 30 * 24 * time.Hour} {
		at := time.Now().Add(-age)
		if err := os.Chtimes(filepath.Dir(e.Path), at, at); err != nil {
			t.Fatal(err)
		}
	}
	h.reload(t.Context(), "")
	for _, want := range []struct {
		build string
		entry store.Entry
		there bool
	}{{"a month ago", old, false}, {"yesterday", lately, true}, {"just now", now, true}} {
		if _, err := os.Stat(want.entry.Path); errors.Is(err, fs.ErrNotExist) == want.there {
			t.Errorf("the build of %s: %v", want.build, err)
		}
	}
}
