package shipper

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// watcher collects the names of changed files from folder watches. It takes events in bursts with pauses between them:
// the kernel merges repeated events meanwhile, so a writer at full speed costs little. Events may be lost; sweeps make
// up for it.
type watcher struct {
	fs   *fsnotify.Watcher // nil: nothing is watched, everything is polled
	poke func()
	done chan struct{}

	mu       sync.Mutex
	dirs     map[string]*watchedDir
	names    map[string]struct{}
	overflow bool
	problem  string
}

type watchedDir struct {
	users int
	on    bool
	tried time.Time
}

const (
	watchBurst = 1024
	watchPause = 10 * time.Millisecond
	watchRetry = 5 * time.Second
)

func newWatcher(disabled bool, poke func()) *watcher {
	w := &watcher{poke: poke, dirs: map[string]*watchedDir{}, names: map[string]struct{}{}, done: make(chan struct{})}
	if !disabled {
		fs, err := fsnotify.NewBufferedWatcher(watchBurst)
		if err != nil {
			w.problem = fmt.Sprintf("file changes are polled: %v", err)
		}
		w.fs = fs
	}
	if w.fs == nil {
		close(w.done)
	} else {
		go w.run()
	}
	return w
}

func (w *watcher) close() {
	if w.fs != nil {
		w.fs.Close()
	}
	<-w.done
}

func (w *watcher) run() {
	defer close(w.done)
	for {
		select {
		case ev, ok := <-w.fs.Events:
			if !ok {
				return
			}
			w.mu.Lock()
			w.take(ev)
			for n := len(w.fs.Events); n > 0; n-- {
				if ev, ok = <-w.fs.Events; ok {
					w.take(ev)
				}
			}
			w.mu.Unlock()
		case err, ok := <-w.fs.Errors:
			if !ok {
				return
			}
			w.mu.Lock()
			if errors.Is(err, fsnotify.ErrEventOverflow) {
				w.overflow = true
			} else {
				w.problem = err.Error()
			}
			w.mu.Unlock()
		}
		w.poke()
		time.Sleep(watchPause)
	}
}

func (w *watcher) take(ev fsnotify.Event) {
	if d := w.dirs[ev.Name]; d != nil && ev.Op&(fsnotify.Remove|fsnotify.Rename) != 0 {
		d.on = false
		w.overflow = true // have the files looked at, now by polling
		return
	}
	w.names[ev.Name] = struct{}{}
}

// drain swaps the collected names for an empty map.
func (w *watcher) drain(empty map[string]struct{}) (names map[string]struct{}, overflow bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	names, w.names = w.names, empty
	overflow, w.overflow = w.overflow, false
	return names, overflow
}

// add watches the folder of a file for one more user.
func (w *watcher) add(path string) {
	dir := filepath.Dir(path)
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.dirs[dir]
	if d == nil {
		d = &watchedDir{}
		w.dirs[dir] = d
	}
	d.users++
	w.try(dir, d)
}

func (w *watcher) try(dir string, d *watchedDir) {
	if d.on || w.fs == nil {
		return
	}
	d.tried = time.Now()
	if err := w.fs.Add(dir); err != nil {
		w.problem = fmt.Sprintf("%s is polled, since it cannot be watched: %v", dir, err)
		return
	}
	d.on = true
}

func (w *watcher) remove(path string) {
	dir := filepath.Dir(path)
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.dirs[dir]
	if d == nil {
		return
	}
	if d.users--; d.users == 0 {
		if delete(w.dirs, dir); d.on {
			_ = w.fs.Remove(dir) // it may be gone already
		}
	}
}

// watching says whether changes of path will be noticed, and now and then tries to make it so.
func (w *watcher) watching(path string) bool {
	if w.fs == nil {
		return false
	}
	dir := filepath.Dir(path)
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.dirs[dir]
	if d == nil {
		return false
	}
	if !d.on && time.Since(d.tried) > watchRetry {
		w.try(dir, d)
	}
	return d.on
}
