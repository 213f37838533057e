package supervisor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/orch-host/orch/hostcore/plugin"
)

// Supervisor runs the plugins of a host.
type Supervisor struct {
	o          Options
	quarantine *quarantine
	ctx        context.Context
	cancel     context.CancelFunc
	loops      sync.WaitGroup
	loading    sync.Mutex // one Reload at a time

	mu       sync.Mutex
	units    map[string]*unit
	refusals []Refusal
	again    *time.Timer // looks at the folder when a refused file may be tried again
}

// New makes a supervisor; Start runs it.
func New(o Options) *Supervisor {
	o.Limits = o.Limits.withDefaults()
	s := &Supervisor{o: o, quarantine: newQuarantine(o), units: map[string]*unit{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Start loads the plugin folder and returns when every plugin is ready or has
// failed for the first time.
func (s *Supervisor) Start(ctx context.Context) {
	s.Reload(ctx, "")
}

// Result is what a reload did to one plugin or file.
type Result struct {
	Name       string `json:"name"`
	Path       string `json:"path,omitempty"`
	OldVersion string `json:"old_version,omitempty"`
	NewVersion string `json:"new_version,omitempty"`
	OldDigest  string `json:"old_digest,omitempty"`
	NewDigest  string `json:"new_digest,omitempty"`
	Change     string `json:"change"` // started, swapped, restarted, unchanged, withdrawn, failed, refused
	Error      string `json:"error,omitempty"`
}

// Reload looks at the plugin folder again and brings every plugin (or the one
// named) to what it finds there. It lifts quarantines of those it is asked for
// by name and waits for the outcome, or until ctx ends: what was begun goes on
// then. One failure never stops the others.
func (s *Supervisor) Reload(ctx context.Context, name string) []Result {
	s.loading.Lock()
	defer s.loading.Unlock()
	if s.ctx.Err() != nil {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	if f, ok := s.o.Finder.(Forgiver); ok && name != "" {
		f.Forgive()
	}
	binaries, refusals := s.o.Finder.Find(ctx)
	wanted, lower, more := s.choose(binaries)
	refusals = append(refusals, more...)
	s.mu.Lock()
	if s.ctx.Err() != nil || ctx.Err() != nil { // a search that was cut short refuses good files
		s.mu.Unlock()
		return nil
	}
	s.refusals = refusals
	s.lookAgain(refusals)
	var waits []waiter
	for _, n := range slices.Sorted(maps.Keys(s.units)) {
		if name != "" && name != n {
			continue
		}
		if r, ok := s.units[n].replacedBy(refusals); ok {
			delete(wanted, n)
			waits = append(waits, s.units[n].keep(r))
		} else if _, ok := wanted[n]; !ok {
			waits = append(waits, s.units[n].ask(nil, nil, false))
		}
	}
	for _, n := range slices.Sorted(maps.Keys(wanted)) {
		if name != "" && n != name {
			continue
		}
		b := wanted[n]
		u := s.units[n]
		if u == nil {
			u = newUnit(s, n)
			s.units[n] = u
			s.loops.Go(u.run)
		}
		waits = append(waits, u.ask(&b, lower[n], name != ""))
	}
	s.mu.Unlock()
	var results []Result
	for _, wait := range waits {
		results = append(results, wait(ctx).Result)
	}
	for _, r := range refusals {
		if name == "" || strings.Contains(r.Path, name) {
			results = append(results, Result{Path: r.Path, NewDigest: r.Digest, Change: "refused", Error: r.Err.Error()})
		}
	}
	if name != "" && len(results) == 0 {
		results = []Result{{Name: name, Change: "failed", Error: unknown(name).Error()}}
	}
	return results
}

// lookAgain reloads when the first of the refused files may be tried again; s.mu
// is held.
func (s *Supervisor) lookAgain(refusals []Refusal) {
	if s.again != nil {
		s.again.Stop()
		s.again = nil
	}
	var first time.Time
	for _, r := range refusals {
		if !r.Until.IsZero() && (first.IsZero() || r.Until.Before(first)) {
			first = r.Until
		}
	}
	if !first.IsZero() {
		s.again = time.AfterFunc(time.Until(first), func() { s.Reload(s.ctx, "") })
	}
}

// choose picks one binary per plugin name: the highest version that meets the
// group's constraint; the lower ones are for when that one is in quarantine.
// What is left aside for a reason is reported.
func (s *Supervisor) choose(binaries []plugin.Binary) (wanted map[string]plugin.Binary, lower map[string][]plugin.Binary, refusals []Refusal) {
	wanted, lower = map[string]plugin.Binary{}, map[string][]plugin.Binary{}
	slices.SortFunc(binaries, func(a, b plugin.Binary) int { return strings.Compare(a.Source, b.Source) })
	for _, b := range binaries {
		group := s.o.Group(b.Manifest.GetGroup())
		if group.Disabled {
			continue
		}
		if err := meets(group.Version, b); err != nil {
			refusals = append(refusals, Refusal{Path: b.Source, Digest: b.Digest, Err: err})
			continue
		}
		name := b.Manifest.GetName()
		best, ok := wanted[name]
		switch {
		case !ok:
			wanted[name] = b
		case plugin.Version(b.Manifest).GreaterThan(plugin.Version(best.Manifest)):
			wanted[name], lower[name] = b, append(lower[name], best)
		case plugin.Version(b.Manifest).Equal(plugin.Version(best.Manifest)) && b.Digest != best.Digest:
			refusals = append(refusals, Refusal{Path: b.Source, Digest: b.Digest, Err: fmt.Errorf(
				"%s and %s are two different builds of plugin %s %s: remove one or raise its version", best.Source, b.Source, name, b.Manifest.GetVersion())})
		default:
			lower[name] = append(lower[name], b)
		}
	}
	return wanted, lower, refusals
}

func meets(constraint string, b plugin.Binary) error {
	if constraint == "" {
		return nil
	}
	c, err := semver.NewConstraint(constraint)
	if err != nil {
		return fmt.Errorf("plugins.%s.version: %q is not a version constraint: %w", b.Manifest.GetGroup(), constraint, err)
	}
	if !c.Check(plugin.Version(b.Manifest)) {
		return fmt.Errorf("version %s does not meet plugins.%s.version = %q", b.Manifest.GetVersion(), b.Manifest.GetGroup(), constraint)
	}
	return nil
}

// List tells how every plugin stands, refused files last.
func (s *Supervisor) List() []Status {
	s.mu.Lock()
	units := slices.SortedFunc(maps.Values(s.units), func(a, b *unit) int { return strings.Compare(a.name, b.name) })
	refusals := s.refusals
	s.mu.Unlock()
	var list []Status
	for _, u := range units {
		list = append(list, u.snapshot())
	}
	for _, r := range refusals {
		state := Refused
		switch {
		case r.Quarantined:
			state = Quarantined
		case !r.Until.IsZero():
			state = Failed
		}
		list = append(list, Status{State: state, Path: r.Path, Digest: r.Digest, Error: r.Err.Error(), NextStart: r.Until})
	}
	return list
}

// ErrUnknownPlugin says that no plugin has the name.
var ErrUnknownPlugin = errors.New("no plugin has this name")

func unknown(name string) error {
	return fmt.Errorf("plugin %q: %w; see host plugin list", name, ErrUnknownPlugin)
}

// Instance returns the running instance of a plugin, for its manifest.
func (s *Supervisor) Instance(name string) (*plugin.Instance, error) {
	s.mu.Lock()
	u := s.units[name]
	s.mu.Unlock()
	if u == nil {
		return nil, unknown(name)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.active == nil {
		return nil, fmt.Errorf("plugin %q is not running (%s): %s", name, u.status.State, u.status.Error)
	}
	return u.active, nil
}

// Rollback goes back to the version that served before.
func (s *Supervisor) Rollback(ctx context.Context, name string) (Result, error) {
	s.mu.Lock()
	u := s.units[name]
	s.mu.Unlock()
	if u == nil {
		return Result{}, unknown(name)
	}
	o := u.askRollback()(ctx)
	return o.Result, o.err
}

// Stop drains every plugin and returns when all processes have ended.
func (s *Supervisor) Stop() {
	s.cancel()
	s.loading.Lock() // a reload under way ends with the context
	s.mu.Lock()
	if s.again != nil {
		s.again.Stop()
	}
	s.mu.Unlock()
	s.loading.Unlock()
	s.loops.Wait()
}
