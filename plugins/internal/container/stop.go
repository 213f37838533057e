package container

import (
	"cmp"
	"context"
	"fmt"
	"time"

	dcontainer "github.com/docker/docker/api/types/container"

	"github.com/orch-host/orch/sdk"
)

// Ref names a component's container without its spec.
type Ref struct {
	Service   string
	Component string
	Name      string // default <Service>-<Component>
	// SharedNetworks are removed with the container when nobody uses them any
	// more. The service's own networks always are.
	SharedNetworks []string
}

// Ref names the spec's container.
func (s Spec) Ref() Ref {
	r := Ref{Service: s.Service, Component: s.Component, Name: s.Name}
	for _, n := range s.Networks {
		if n.Shared {
			r.SharedNetworks = append(r.SharedNetworks, n.Name)
		}
	}
	return r
}

// Check refuses names that cannot be a container's, and so no file's either: a
// [SpecError].
func (r Ref) Check() error {
	_, err := r.normalized()
	return err
}

func (r Ref) normalized() (Ref, error) {
	r.Name = cmp.Or(r.Name, ContainerName(r.Service, r.Component))
	return r, checkRef(r.Service, r.Component, r.Name)
}

func (r Ref) owner() owner { return owner{r.Service, r.Component} }

// StopResult is a container that does not run.
type StopResult struct {
	Name    string
	ID      string // "" when there is no such container
	Changed bool   // it was running
}

// Stop stops the container as gently as its stop timeout allows, and the previous
// one that a crash in the middle of a replacement left running. A container
// that is stopped or absent is fine.
func (e *Engine) Stop(ctx context.Context, ref Ref) (StopResult, error) {
	res := StopResult{Name: ref.Name}
	err := e.with(ctx, &ref, func() error {
		for _, name := range []string{ref.Name, ref.Name + suffixPrev} {
			c, err := e.find(ctx, ref.owner(), name)
			if err != nil {
				return err
			}
			if c == nil {
				continue
			}
			if name == ref.Name {
				res.ID = c.id
			}
			if !c.state.Running && !c.state.Restarting {
				continue
			}
			sdk.Progress(ctx, "stopping container "+name, 0, 0)
			if c.restart == dcontainer.RestartPolicyAlways { // it would come back with Docker; the next Ensure turns it on again
				if err := e.setRestart(ctx, c, dcontainer.RestartPolicyDisabled); err != nil {
					return err
				}
			}
			if err := e.stop(ctx, c); err != nil {
				return err
			}
			res.Changed = true
		}
		return nil
	})
	res.Name = ref.Name
	return res, err
}

// with runs work on the ref's container under its lock; lost races repeat it,
// and an engine that goes away in the middle is waited for.
func (e *Engine) with(ctx context.Context, ref *Ref, work func() error) error {
	var err error
	if *ref, err = ref.normalized(); err != nil {
		return err
	}
	unlock, err := e.locks.lock(ctx, ref.Name)
	if err != nil {
		return fmt.Errorf("wait for other work on container %s: %w", ref.Name, err)
	}
	defer unlock()
	if err := e.Ping(ctx); err != nil {
		return err
	}
	var races, outages int
	for {
		err := work()
		switch {
		case err == nil || ctx.Err() != nil:
			return err
		case outage(err):
			if outages >= maxOutages || e.opts.OutageGrace < 0 {
				return e.unreachable(err)
			}
			outages++
			if err := e.awaitReturn(ctx); err != nil {
				return fmt.Errorf("container %s: Docker went away in the middle of the work: %w", ref.Name, err)
			}
		case raced(err) && races < maxRaces:
			races++
			if err := sleep(ctx, 50*time.Millisecond); err != nil {
				return err
			}
		default:
			return err
		}
	}
}
