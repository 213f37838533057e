package shipper

import (
	"slices"
	"time"
)

// activate begins with what the checkpoint says.
func (t *tailer) activate(entries []entry, notes []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range notes {
		t.note("%s", n)
	}
	for _, e := range entries {
		t.known.put(e)
	}
	t.active = true
	now := time.Now()
	for _, src := range t.sources {
		t.begins(src, now)
	}
}

func (t *tailer) begins(src *source, now time.Time) {
	t.rewatch(src, now)
	t.resync(src, now)
}

func (t *tailer) add(list []*settings) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, st := range list {
		p := st.path
		if src := t.sources[p]; src != nil {
			src.st, src.removing = st, false
			for _, inc := range src.incs {
				if inc.limit > 0 {
					inc.limit = 0
					t.ready(inc)
				}
			}
			continue
		}
		src := &source{path: p, st: st, skip: st.skip}
		t.sources[p] = src
		if t.active {
			t.begins(src, now)
		}
	}
	t.poke()
}

func (t *tailer) remove(paths []string) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range paths {
		src := t.sources[p]
		if src == nil {
			continue
		}
		if !t.active {
			delete(t.sources, p)
			continue
		}
		t.resync(src, now)
		src.removing = true
		for _, inc := range src.incs {
			if inc.limit = max(inc.size, 1); !inc.closed {
				t.ready(inc)
			}
		}
		t.tend(src)
	}
	t.poke()
}

// removed takes a path out when all that it is to deliver was acknowledged.
func (t *tailer) removed(src *source, now time.Time) bool {
	for i := len(src.incs) - 1; i >= 0; i-- {
		inc := src.incs[i]
		if inc.more || t.chunk.inc == inc {
			return false
		}
		state := stateTailing
		if inc != src.cur {
			state = stateRotated
		}
		if inc.closed {
			state = stateFinished
		}
		if !t.settle(inc, state, now) {
			return false
		}
	}
	t.unwatch(src)
	if src.ring != nil {
		src.ring.remove(src)
	}
	delete(t.sources, src.path)
	return true
}

// closeAll closes every descriptor, after the loop has ended.
func (t *tailer) closeAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for inc := range t.open {
		t.closeFD(inc)
	}
}

// snapshot appends all files to into, for a checkpoint, with the committer's version and the number of records that they cover.
func (t *tailer) snapshot(now time.Time, into []entry) (entries []entry, version, lines uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known.prune(now)
	t.commits.mu.Lock()
	defer t.commits.mu.Unlock()
	entries = slices.Grow(into, len(t.sources)+len(t.known.byID))
	for _, list := range t.known.byPath {
		for _, e := range list {
			entries = append(entries, *e)
		}
	}
	for _, src := range t.sources {
		for _, inc := range src.incs {
			state := stateRotated
			if inc == src.cur {
				state = stateTailing
			}
			entries = append(entries, inc.entry(state))
		}
	}
	return entries, t.commits.version, t.commits.lines
}
