package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/sdk/pluginv1"
)

// bringUp starts b beside whatever serves; settle gets the outcome.
func (u *unit) bringUp(b plugin.Binary, restart bool) {
	u.cancelBringUp()
	u.retry.Stop() // else what serves by then would be started once more
	ctx, cancel := context.WithTimeout(u.s.ctx, u.s.o.Limits.BringUp)
	u.bringing, u.stopBring, u.restarting = &b, cancel, restart
	u.attempt++
	attempt, returning := u.attempt, u.returning
	if u.active == nil {
		u.update(func(s *Status) {
			s.State, s.Version, s.Digest, s.Path, s.Group = Starting, b.Manifest.GetVersion(), b.Digest, b.Source, b.Manifest.GetGroup()
			s.Activities, s.NextStart = activities(b.Manifest), time.Time{}
		})
	}
	u.drains.Go(func() {
		defer cancel()
		i, err := u.s.o.Launcher.Launch(ctx, b)
		if err == nil {
			if err = u.compatible(i, returning); err == nil {
				err = u.s.o.Launcher.Configure(ctx, i)
			}
			if err != nil {
				i.Stop(context.Background(), u.s.o.Limits.Grace)
				i = nil
			}
		}
		select {
		case u.brought <- broughtUp{attempt, b, i, err}:
		case <-u.s.ctx.Done():
			if i != nil {
				i.Stop(context.Background(), u.s.o.Limits.Grace)
			}
		}
	})
}

// compatible refuses a new version that breaks callers of the one that serves.
// Going back is not refused: an earlier version lacks what the later one added.
func (u *unit) compatible(next *plugin.Instance, returning bool) error {
	if next.Manifest.GetName() != u.name {
		return fmt.Errorf("%s now calls itself %q instead of %q", next.Source, next.Manifest.GetName(), u.name)
	}
	u.mu.Lock()
	active := u.active
	u.mu.Unlock()
	if active == nil || returning || u.s.o.Group(next.Manifest.GetGroup()).AllowBreaking {
		return nil
	}
	if changes := Breaking(active.Manifest, next.Manifest); len(changes) > 0 {
		return &IncompatibleError{Old: active.Label(), New: next.Label(), Group: next.Manifest.GetGroup(), Changes: changes}
	}
	return nil
}

// cancelBringUp gives up what is being brought up; its outcome is ignored.
func (u *unit) cancelBringUp() {
	if u.bringing != nil {
		u.stopBring()
		u.bringing = nil
	}
}

// settle takes the outcome of a bring-up: switch, or keep what there was.
func (u *unit) settle(b broughtUp) {
	if u.bringing == nil || u.attempt != b.attempt {
		if b.instance != nil {
			u.retire(b.instance, 0)
		}
		return
	}
	u.bringing = nil
	if b.err == nil {
		b.err = u.s.o.Router.Switch(b.instance)
		if b.err != nil {
			u.retire(b.instance, 0)
		}
	}
	if b.err != nil {
		u.refused(b.binary, b.err)
		return
	}
	u.serve(b.instance)
}

// serve makes i the active instance after its routes were switched.
func (u *unit) serve(i *plugin.Instance) {
	old, before := u.active, u.served // what served last may have crashed just now
	kind := "started"
	if old == nil && u.restarting {
		kind = "restarted"
	}
	if before != nil && before.Digest != i.Digest {
		kind = "swapped"
		u.previous = before
		u.endTrial()
		if u.returning {
			u.hold(*before, errors.New("it was rolled back by hand"), true) // else the next look at the folder would bring it back
		} else if _, held := u.s.quarantine.find(before.Digest, time.Now()); !held {
			u.probation = time.NewTimer(u.s.o.Limits.Probation)
		}
	} else {
		before = nil // it is the same version
	}
	u.served = &i.Binary
	u.mu.Lock()
	u.active, u.source = i, i.Binary
	s := &u.status
	s.State, s.NextStart, s.Withdrawn, s.Probation = Ready, time.Time{}, time.Time{}, u.probation != nil
	if s.Rejected == nil || s.Rejected.Digest == i.Digest || kind == "swapped" {
		s.Error, s.Rejected = "", nil
	}
	s.Version, s.Digest, s.Path, s.Group = i.Manifest.GetVersion(), i.Digest, i.Source, i.Manifest.GetGroup()
	s.Pid, s.Since = i.Pid(), i.Started()
	s.Activities = activities(i.Manifest)
	switch kind {
	case "restarted":
		s.Restarts++
	case "swapped":
		s.Swaps++
	}
	if u.previous != nil {
		s.Previous = u.previous.Manifest.GetVersion()
	}
	u.mu.Unlock()
	u.restarting, u.returning = false, false
	u.s.event(kind, u.name, before, &i.Binary, nil)
	if old != nil {
		u.retire(old, u.drainTime(old))
	}
	u.watch(i)
	u.answerAll(kind, &i.Binary, nil)
}

func (u *unit) drainTime(i *plugin.Instance) time.Duration {
	if d := u.s.o.Group(i.Manifest.GetGroup()).Drain; d > 0 {
		return d
	}
	return u.s.o.Limits.Drain
}

// activities are the names of what a plugin offers.
func activities(m *pluginv1.Manifest) (names []string) {
	for _, a := range m.GetActivities() {
		names = append(names, a.GetName())
	}
	return names
}
