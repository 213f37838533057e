package bridge

import (
	"context"
	"sync"
)

// Limit is how many attempts may run at once for a key: a plugin, or one of its
// activities.
type Limit struct {
	Key string
	Max int
}

// Seats bounds how many attempts run at once, over all queues of a host. An
// attempt takes a seat for each of its limits before it is handed to the plugin
// and waits when there is none; so that few have to wait, queues do not poll
// while a plugin that they need has no seat left.
type Seats struct {
	mu      sync.Mutex
	taken   map[string]int
	changed chan struct{} // closed when a seat has become free
}

// NewSeats makes seats of which none is taken.
func NewSeats() *Seats { return &Seats{taken: map[string]int{}, changed: make(chan struct{})} }

// tryTake takes a seat for each limit or none; changed is closed when another
// try may be worth it.
func (s *Seats) tryTake(limits []Limit) (ok bool, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range limits {
		if s.taken[l.Key] >= l.Max {
			return false, s.changed
		}
	}
	for _, l := range limits {
		s.taken[l.Key]++
	}
	return true, nil
}

// take waits for the seats.
func (s *Seats) take(ctx context.Context, limits []Limit) error {
	for {
		ok, changed := s.tryTake(limits)
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// free gives back what was taken.
func (s *Seats) free(limits []Limit) {
	if len(limits) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range limits {
		if s.taken[l.Key]--; s.taken[l.Key] == 0 {
			delete(s.taken, l.Key)
		}
	}
	s.wake()
}

// room says whether one more task could be seated, whichever plugin it is for,
// when polling others are on their way.
func (s *Seats) room(limits []Limit, polling int) (ok bool, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range limits {
		if s.taken[l.Key]+polling >= l.Max {
			return false, s.changed
		}
	}
	return true, nil
}

// poke makes those who wait look again.
func (s *Seats) poke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wake()
}

func (s *Seats) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}
