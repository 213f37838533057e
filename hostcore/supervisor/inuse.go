package supervisor

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/orch-host/orch/hostcore/plugin"
)

// InUse lists the digests that the supervisor may still need: of what runs or is
// about to, of what a rollback goes back to, and of what is in quarantine. The
// error says that it is stopping, or that ctx has ended, and not all is known.
func (s *Supervisor) InUse(ctx context.Context) ([]string, error) {
	s.mu.Lock()
	units := slices.Collect(maps.Values(s.units))
	s.mu.Unlock()
	digests := s.quarantine.digests(time.Now())
	for _, u := range units {
		o := u.send(request{digests: true})(ctx)
		if o.err != nil {
			return nil, o.err
		}
		digests = append(digests, o.digests...)
	}
	slices.Sort(digests)
	return slices.Compact(digests), nil
}

func (u *unit) digests() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := slices.Collect(maps.Keys(u.leaving))
	for _, b := range []*plugin.Binary{u.wanted, u.served, u.previous, u.bringing, u.activeBinary()} {
		if b != nil {
			all = append(all, b.Digest)
		}
	}
	return all
}

// digests are those in quarantine.
func (q *quarantine) digests(now time.Time) []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	var all []string
	for digest, h := range q.held {
		if now.Before(h.Until) {
			all = append(all, digest)
		}
	}
	return all
}
