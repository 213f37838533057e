package supervisor

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// load reads what an earlier host kept. A file that is missing or damaged costs
// no more than that its versions are tried again; so does a group whose settings
// were changed, since they may have been what failed.
func (q *quarantine) load(settings func(group string) string, now time.Time) {
	if q.file == "" {
		return
	}
	data, err := os.ReadFile(q.file)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var kept []hold
	if err == nil {
		err = json.Unmarshal(data, &kept)
	}
	if err != nil {
		q.log.Warn("the plugins that were in quarantine are not known and are tried again", "file", q.file, "error", err)
		return
	}
	for _, h := range kept {
		if h.Digest == "" || !now.Before(h.Until) || h.Settings != settings(h.Group) {
			continue
		}
		if longest := now.Add(q.limits.QuarantineTime); h.Until.After(longest) { // the clock was set back
			h.Until = longest
		}
		h.kept = true
		q.held[h.Digest] = h
		q.log.Info("a plugin version is still in quarantine", "plugin", h.Plugin, "version", h.Version, "until", h.Until, "error", h.Error)
	}
}

// save replaces the file with what is to be kept now; q.mu is held.
func (q *quarantine) save(now time.Time) {
	if q.file == "" {
		return
	}
	kept := []hold{}
	for digest, h := range q.held {
		if !now.Before(h.Until) {
			delete(q.held, digest)
		} else if h.kept {
			kept = append(kept, h)
		}
	}
	slices.SortFunc(kept, func(a, b hold) int { return cmp.Compare(a.Digest, b.Digest) })
	if err := replaceFile(q.file, kept); err != nil {
		q.log.Warn("the quarantine of plugins is forgotten when the host is restarted", "file", q.file, "error", err)
	}
}

// replaceFile writes a file whole or not at all. Its owner is the only one that
// writes it, so that what a crash leaves behind is overwritten by the next one.
func replaceFile(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	next := path + ".new"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", next, err)
	}
	if err := os.Rename(next, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
