package shipper

import (
	"slices"
	"time"
)

const (
	finishedTTL  = 24 * time.Hour
	removedTTL   = 30 * 24 * time.Hour
	keptPerPath  = 64
	pruneAtLeast = time.Minute
)

// registry holds what the checkpoint knows about files that nobody reads now: of paths that were removed or not added
// yet, and files that were finished.
type registry struct {
	byID   map[fileID]*entry
	byPath map[string][]*entry // oldest first
	pruned time.Time
}

func newRegistry() *registry {
	return &registry{byID: map[fileID]*entry{}, byPath: map[string][]*entry{}}
}

func (r *registry) put(e entry) {
	if old := r.byID[e.id()]; old != nil {
		r.forget(old)
	}
	p := string(e.Path)
	r.byID[e.id()] = &e
	r.byPath[p] = append(r.byPath[p], &e)
	if list := r.byPath[p]; len(list) > keptPerPath {
		for _, old := range list {
			if old.State == stateFinished {
				r.forget(old)
				break
			}
		}
	}
}

func (r *registry) forget(e *entry) {
	if r.byID[e.id()] == e {
		delete(r.byID, e.id())
	}
	p := string(e.Path)
	list := slices.DeleteFunc(r.byPath[p], func(x *entry) bool { return x == e })
	if len(list) == 0 {
		delete(r.byPath, p)
	} else {
		r.byPath[p] = list
	}
}

// prune forgets what is too old to matter.
func (r *registry) prune(now time.Time) {
	if now.Sub(r.pruned) < pruneAtLeast {
		return
	}
	r.pruned = now
	for _, e := range r.byID {
		ttl := removedTTL
		if e.State == stateFinished {
			ttl = finishedTTL
		}
		if now.UnixNano()-e.Seen > int64(ttl) {
			r.forget(e)
		}
	}
}
