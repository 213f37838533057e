package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/discover"
	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/hostcore/supervisor"
	"github.com/orch-host/orch/hostcore/trust"
)

// LockAll describes every binary in the plugin folders, whether the lock file
// holds it or not, as entries of a lock file. Files that cannot be plugins are
// reported, and so are those without a signature where keys are configured:
// what is described is run. The error says that a plugin folder cannot be used
// or that there is no plugin: what is known then is no reason to distrust
// everything.
func (c *Catalog) LockAll(ctx context.Context) (*trust.Lock, []supervisor.Refusal, error) {
	for _, dir := range c.o.Dirs {
		_, err := discover.Scan(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("there is no plugin folder %s: name the right one with plugins.dir or --plugin-dir, or make it", dir)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	open := New(c.o)
	signed := c.o.Plugins
	signed.Mode = config.TrustOff
	open.o.Verify = trust.NewVerifier(signed, c.o.Logger).Verify
	defer open.Close()
	binaries, refusals := open.Find(ctx)
	if len(binaries) == 0 {
		return nil, refusals, fmt.Errorf("no plugin in %s: build plugins into it, or name another folder with plugins.dir or --plugin-dir",
			strings.Join(c.o.Dirs, ", "))
	}
	l := &trust.Lock{}
	for _, b := range binaries {
		l.Plugins = append(l.Plugins, locked(b))
	}
	return l, refusals, nil
}

func locked(b plugin.Binary) trust.Locked {
	return trust.Locked{Name: b.Manifest.GetName(), Version: b.Manifest.GetVersion(), SHA256: b.Digest, Size: b.Size, File: filepath.Base(b.Source)}
}

// Verified is how one file in the plugin folder compares with the lock file.
type Verified struct {
	Path   string `json:"path"`
	Digest string `json:"digest,omitempty"`
	Error  string `json:"error,omitempty"`
}

// VerifyAll compares the plugin folders with the lock file without starting
// anything.
func (c *Catalog) VerifyAll() ([]Verified, error) {
	paths, refusals := c.paths()
	var all []Verified
	failed := len(refusals)
	for _, r := range refusals {
		all = append(all, Verified{Path: r.Path, Error: r.Err.Error()})
	}
	for _, path := range paths {
		v := Verified{Path: path}
		entry, err := c.o.Store.Add(path)
		if err == nil {
			v.Digest = entry.Digest
			if c.o.Verify != nil {
				err = c.o.Verify(entry, path)
			}
		}
		if err != nil {
			v.Error = err.Error()
			failed++
		}
		all = append(all, v)
	}
	if failed > 0 {
		return all, fmt.Errorf("%d of %d files may not run: %w", failed, len(all), errUntrusted)
	}
	return all, nil
}

var errUntrusted = errors.New("see the errors above")
