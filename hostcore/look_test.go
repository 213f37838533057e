package hostcore

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/orch-host/orch/config"
)

func TestWhoLooksAtAnothersPluginsLeavesTheStateFolderAlone(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a folder away")
	}
	dir := t.TempDir()
	c := config.Default()
	c.Host.StateDir, c.Host.RuntimeDir, c.Plugins.Dir = filepath.Join(dir, "state"), filepath.Join(dir, "run"), filepath.Join(dir, "plugins")
	c.Plugins.Lock = filepath.Join(dir, "plugins.lock")
	for _, d := range []string{c.Host.StateDir, filepath.Join(c.Host.StateDir, "store"), c.Plugins.Dir} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{c.Host.StateDir, filepath.Join(c.Host.StateDir, "store")} {
		if err := os.Chown(d, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(c.Plugins.Dir, "one"), []byte("#!/bin/sh\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	cat, done, err := Catalog(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	all, _ := cat.VerifyAll()
	if len(all) != 1 || all[0].Digest == "" {
		t.Errorf("found %+v", all)
	}
	done()
	for _, d := range []string{filepath.Join(c.Host.StateDir, "store"), temp} {
		if left, err := os.ReadDir(d); err != nil || len(left) > 0 {
			t.Errorf("in %s is left: %v, %v", d, left, err)
		}
	}
}
