package container

import (
	"context"

	"github.com/orch-host/orch/sdk"
)

// DeleteOptions of [Engine.Delete].
type DeleteOptions struct {
	// Purge removes the component's named volumes too, and with them its data.
	Purge bool
}

// DeleteResult is a container that is gone.
type DeleteResult struct {
	Name            string
	Changed         bool     // something was there to remove
	RemovedVolumes  []string // with Purge
	KeptVolumes     []string // they hold the component's data
	RemovedNetworks []string // nobody else was in them
}

// Delete stops and removes the container, what a crash in the middle of a
// replacement or of a check left beside it, and networks of ours that nobody is in any more.
// Named volumes stay unless they are purged. An absent container is fine.
func (e *Engine) Delete(ctx context.Context, ref Ref, o DeleteOptions) (DeleteResult, error) {
	var res DeleteResult
	err := e.with(ctx, &ref, func() error {
		for _, name := range []string{ref.Name, ref.Name + suffixNext, ref.Name + suffixPrev} {
			c, err := e.find(ctx, ref.owner(), name)
			if err != nil {
				return err
			}
			if c == nil {
				continue
			}
			sdk.Progress(ctx, "deleting container "+name, 0, 0)
			if c.state.Running {
				if err := e.stop(ctx, c); err != nil {
					return err
				}
			}
			if err := e.remove(ctx, c); err != nil {
				return err
			}
			res.Changed = true
		}
		e.sweepRuns(ctx, ref.owner(), true)
		networks, err := e.removeIdleNetworks(ctx, ref.Service, ref.SharedNetworks)
		res.RemovedNetworks = append(res.RemovedNetworks, networks...)
		if err != nil {
			return err
		}
		volumes, err := e.volumesOf(ctx, ref.owner())
		if err != nil {
			return err
		}
		if !o.Purge {
			res.KeptVolumes = volumes
			return nil
		}
		if err := e.removeVolumes(ctx, volumes); err != nil {
			return err
		}
		res.RemovedVolumes = append(res.RemovedVolumes, volumes...)
		return nil
	})
	res.Name = ref.Name
	res.Changed = res.Changed || len(res.RemovedNetworks) > 0 || len(res.RemovedVolumes) > 0
	return res, err
}
