package container

import (
	"context"
	"errors"
	"fmt"

	dcontainer "github.com/docker/docker/api/types/container"

	"github.com/orch-host/orch/sdk"
)

// fail ends an Ensure that cannot succeed. A previous container that made way
// is put back, also when ctx was cancelled: then within the grace period.
func (r *ensuring) fail(ctx context.Context, cause error) error {
	if ctx.Err() != nil {
		if why := context.Cause(ctx); !errors.Is(ctx.Err(), why) {
			cause = fmt.Errorf("%w: %w", ctx.Err(), why)
		}
		cause = fmt.Errorf("container %s: %w", r.s.Name, cause)
		var cancel context.CancelFunc
		ctx, cancel = sdk.Cleanup(ctx)
		defer cancel()
	}
	r.dropNext(ctx)
	back, err := r.putBack(ctx)
	if err != nil {
		return errors.Join(cause, fmt.Errorf("the previous container %s cannot be put back: %w", r.s.Name, err))
	}
	if !back {
		return cause
	}
	sdk.Logger(ctx).Warn("the new container failed and the previous one has been put back", "container", r.s.Name, "error", cause)
	var exited *ExitedError
	var notReady *NotReadyError
	switch {
	case errors.As(cause, &exited):
		exited.RolledBack = true
	case errors.As(cause, &notReady):
		notReady.RolledBack = true
	default:
		return fmt.Errorf("%w%s", cause, rolledBack(true))
	}
	return cause
}

// dropNext removes the next container that this call was making. One that has
// got its name already stays: it shows why it failed.
func (r *ensuring) dropNext(ctx context.Context) {
	if r.next == "" {
		return
	}
	next, err := r.find(ctx, r.s.owner(), r.s.Name+suffixNext)
	if err == nil && next != nil && next.id == r.next && next.neverStarted {
		err = r.remove(ctx, next)
	}
	if err != nil {
		sdk.Logger(ctx).Warn("a half-made container is left; the next attempt or its removal takes it away", "container", r.s.Name+suffixNext, "error", err)
	}
}

// putBack gives the name back to the previous container, if there is one, and
// starts it. Like step it looks before each call, so that it may be repeated.
func (r *ensuring) putBack(ctx context.Context) (back bool, err error) {
	for range maxRaces {
		cur, _, prev, err := r.look(ctx)
		if err != nil {
			var foreign *ForeignError
			if errors.As(err, &foreign) {
				return back, nil
			}
			return back, err
		}
		switch {
		case prev != nil && cur == nil:
			back = true
			r.prevRan = r.prevRan || prev.state.Running
			err = r.rename(ctx, prev, r.s.Name)
		case prev != nil && (cur.spec == r.digest || !cur.running()):
			err = r.remove(ctx, cur)
		case back && cur != nil && r.prevRan && !cur.state.Running:
			if err := r.ensureNetworks(ctx, r.s); err != nil {
				return true, err
			}
			err = wrap(r.api.ContainerStart(ctx, cur.id, dcontainer.StartOptions{}), "start container %s", cur.name)
			if err != nil && !raced(err) {
				return true, err
			}
		default:
			return back, nil
		}
		if err != nil && !raced(err) {
			return back, err
		}
	}
	return back, fmt.Errorf("container %s keeps changing", r.s.Name)
}
