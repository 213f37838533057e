// Package trust decides whether a plugin binary may run, before it runs: a
// plugin has the host's rights, so its digest must be one that somebody wrote
// into plugins.lock with "host plugin lock". Where keys are configured, it must
// also be signed by one of them (minisign); that holds in every mode, so that
// mode "off" with keys means that the signature alone decides.
package trust

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/pelletier/go-toml/v2"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/store"
)

// Locked is one binary that may run.
type Locked struct {
	Name    string `toml:"name" json:"name"`
	Version string `toml:"version" json:"version"`
	SHA256  string `toml:"sha256" json:"sha256"`
	Size    int64  `toml:"size" json:"size"`
	File    string `toml:"file" json:"file"` // base name when it was locked, for people
}

// Lock is the content of plugins.lock.
type Lock struct {
	Plugins []Locked `toml:"plugin"`
}

const header = "# Written by \"host plugin lock\": the plugin binaries that this host may run.\n# Commit it beside orch.toml. \"host plugin verify\" compares it with the plugin folder.\n\n"

// Read reads a lock file; a missing one is empty.
func Read(path string) (*Lock, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &Lock{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the plugin lock file: %w", err)
	}
	l := &Lock{}
	if err := toml.Unmarshal(data, l); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			line, column := at.Position()
			return nil, fmt.Errorf("%s:%d:%d: the plugin lock file cannot be read: %w; write it again with host plugin lock", path, line, column, err)
		}
		return nil, fmt.Errorf("%s: the plugin lock file cannot be read: %w; write it again with host plugin lock", path, err)
	}
	return l, nil
}

// Write replaces a lock file in one step.
func (l *Lock) Write(path string) error {
	slices.SortFunc(l.Plugins, func(a, b Locked) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version), cmp.Compare(a.SHA256, b.SHA256))
	})
	data, err := toml.Marshal(l)
	if err != nil {
		return fmt.Errorf("write the plugin lock file: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".plugins.lock-*")
	if err != nil {
		return fmt.Errorf("write the plugin lock file: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already when the rename succeeded
	if _, err := f.WriteString(header + string(data)); err != nil {
		return errors.Join(fmt.Errorf("write the plugin lock file: %w", err), f.Close())
	}
	if err := errors.Join(f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write the plugin lock file: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write the plugin lock file: %w", err)
	}
	return nil
}

// find returns the entry with the digest.
func (l *Lock) find(digest string) (Locked, bool) {
	i := slices.IndexFunc(l.Plugins, func(e Locked) bool { return e.SHA256 == digest })
	if i < 0 {
		return Locked{}, false
	}
	return l.Plugins[i], true
}

// UntrustedError is a binary that the lock file does not hold.
type UntrustedError struct {
	Path, LockFile, Found string
	Wanted                []Locked // entries for a file of that name
}

func (e *UntrustedError) Error() string {
	wanted := "no entry for it"
	if len(e.Wanted) > 0 {
		wanted = ""
		for _, w := range e.Wanted {
			wanted += fmt.Sprintf("%s %s with sha256 %s, ", w.Name, w.Version, w.SHA256)
		}
		wanted = wanted[:len(wanted)-2]
	}
	return fmt.Sprintf("%s is not in %s: found sha256 %s, the lock file has %s; if you trust the file, run \"host plugin lock\" (or set plugins.mode to \"warn\" or \"off\")",
		e.Path, e.LockFile, e.Found, wanted)
}

// Verifier checks binaries against a lock file that may change on disk.
type Verifier struct {
	mode, path string
	keys       signers
	keysErr    error // why no key can be used: then nothing may run
	logger     *slog.Logger

	mu     sync.Mutex
	warned map[string]bool
}

// NewVerifier makes a verifier for [plugins] mode, lock and trusted_keys.
func NewVerifier(p config.Plugins, logger *slog.Logger) *Verifier {
	v := &Verifier{mode: p.Mode, path: p.Lock, logger: logger, warned: map[string]bool{}}
	v.keys, v.keysErr = parseKeys(p.TrustedKeys)
	return v
}

// Verify refuses a binary that must not run.
func (v *Verifier) Verify(e store.Entry, source string) error {
	if v.keysErr != nil {
		return v.keysErr
	}
	if len(v.keys) > 0 {
		if err := v.keys.verify(e, source); err != nil {
			return err
		}
	}
	if v.mode == config.TrustOff {
		return nil
	}
	l, err := Read(v.path)
	if err == nil {
		if _, ok := l.find(e.Digest); ok {
			return nil
		}
		untrusted := &UntrustedError{Path: source, LockFile: v.path, Found: e.Digest}
		for _, w := range l.Plugins {
			if w.File == filepath.Base(source) {
				untrusted.Wanted = append(untrusted.Wanted, w)
			}
		}
		err = untrusted
	}
	if v.mode == config.TrustWarn {
		v.mu.Lock()
		defer v.mu.Unlock()
		if !v.warned[e.Digest] {
			v.warned[e.Digest] = true
			v.logger.Warn("a plugin runs that is not trusted", "path", source, "digest", e.Digest, "error", err)
		}
		return nil
	}
	return err
}
