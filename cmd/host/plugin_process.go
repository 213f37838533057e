package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/orch-host/orch/hostcore/catalog"
	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/hostcore/proc"
)

// openBinary starts a plugin without a host and asks what it offers. The
// returned function ends it and removes what it left.
func openBinary(ctx context.Context, path string, log *slog.Logger) (_ *plugin.Instance, dir string, done func(), err error) {
	if path, err = filepath.Abs(path); err != nil {
		return nil, "", nil, fmt.Errorf("find the plugin: %w", err)
	}
	if dir, err = os.MkdirTemp("", "orch-run"); err != nil {
		return nil, "", nil, fmt.Errorf("make a folder for the plugin's socket: %w", err)
	}
	p, err := proc.Start(ctx, proc.Spec{
		Path: path, Env: catalog.Environment(nil, os.Environ()), RuntimeDir: filepath.Join(dir, "run"), Logger: log,
	})
	if err != nil {
		return nil, "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	done = func() {
		_ = p.Stop(context.Background(), 5*time.Second) // how it ended changes nothing any more
		_ = os.RemoveAll(dir)                           // in the folder of temporary files
	}
	i, err := plugin.Connect(ctx, p, plugin.Binary{Source: path, Exec: path})
	if err != nil {
		done()
		return nil, "", nil, err
	}
	return i, dir, done, nil
}
