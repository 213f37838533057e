package discover

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/orch-host/orch/hostcore/store"
)

// DefaultDebounce is how long the folder has to be quiet before a tick when
// Watch is given no other time.
const DefaultDebounce = 300 * time.Millisecond

// maxDelay is how many debounce times a folder that never rests holds a tick
// back.
const maxDelay = 20

// Watch returns a channel that gets a value when the plugin folder has changed
// and has come to rest: nothing happened for the debounce time (0 means
// DefaultDebounce) and no file grew meanwhile. The channel holds one value and
// is closed when ctx ends.
//
// A folder that is missing, removed or replaced is waited for. Where the system
// refuses to watch, the folder is compared every ten debounce times instead,
// which also finds changes that are not announced (network file systems).
func Watch(ctx context.Context, dir string, debounce time.Duration) (<-chan struct{}, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("watch plugin folder: %w", err)
	}
	if debounce <= 0 {
		debounce = DefaultDebounce
	}
	w := &watcher{dir: dir, debounce: debounce, ticks: make(chan struct{}, 1)}
	// Without a watcher (no inotify instances left) polling does the work.
	if fsw, err := fsnotify.NewWatcher(); err == nil {
		w.fs, w.events, w.errors = fsw, fsw.Events, fsw.Errors
	}
	w.follow()
	w.seen = w.look()
	go w.run(ctx)
	return w.ticks, nil
}

// watcher holds what one Watch knows; all of it belongs to run.
type watcher struct {
	dir      string
	debounce time.Duration
	ticks    chan struct{}

	fs     *fsnotify.Watcher
	events <-chan fsnotify.Event
	errors <-chan error
	seen   snapshot // the state that the last tick announced
}

func (w *watcher) run(ctx context.Context) {
	defer close(w.ticks)
	if w.fs != nil {
		defer w.fs.Close()
	}
	poll := time.NewTicker(10 * w.debounce)
	defer poll.Stop()
	var (
		quiet  <-chan time.Time // runs while a change waits for rest
		since  time.Time        // when that change was noticed
		before snapshot         // what rest is measured by, nil after an event
	)
	wait := func(measure snapshot) {
		if quiet == nil {
			since = time.Now()
		}
		if quiet == nil || time.Since(since) < maxDelay*w.debounce {
			before, quiet = measure, time.After(w.debounce)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case ev := <-w.events:
			if ev.Name == w.dir || !store.IgnoredName(filepath.Base(ev.Name)) {
				wait(nil)
			}
		case <-w.errors: //nolint:errcheck // whatever it was, the folder is looked at again
			wait(w.look()) // events were lost
		case <-poll.C:
			w.follow()
			if now := w.look(); quiet == nil && !now.equal(w.seen) {
				wait(now)
			}
		case <-quiet:
			now := w.look()
			if before != nil && !now.equal(before) && time.Since(since) < maxDelay*w.debounce {
				before, quiet = now, time.After(w.debounce)
				continue
			}
			quiet = nil
			w.announce(now)
			if w.follow(); !w.look().equal(w.seen) {
				wait(w.look()) // a subfolder was filled before it was watched
			}
		}
	}
}

// announce ticks if the folder is not as it was at the last tick.
func (w *watcher) announce(now snapshot) {
	if now.equal(w.seen) {
		return
	}
	w.seen = now
	select {
	case w.ticks <- struct{}{}:
	default: // one is waiting already
	}
}

// follow watches the folder, its subfolders and, to see the folder come back,
// its parent. Adding a folder that is watched already does nothing.
func (w *watcher) follow() {
	if w.fs == nil {
		return
	}
	// Errors mean that a folder is not there (yet); polling looks again.
	_ = w.fs.Add(w.dir)
	entries, err := os.ReadDir(w.dir)
	if errors.Is(err, fs.ErrNotExist) {
		_ = w.fs.Add(filepath.Dir(w.dir))
		return
	}
	_ = w.fs.Remove(filepath.Dir(w.dir))
	for _, e := range entries {
		if !store.IgnoredName(e.Name()) && e.Type()&(fs.ModeDir|fs.ModeSymlink) != 0 {
			_ = w.fs.Add(filepath.Join(w.dir, e.Name()))
		}
	}
}
