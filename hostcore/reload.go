package hostcore

import (
	"context"
	"time"

	"github.com/orch-host/orch/hostcore/supervisor"
)

// keepUnused is how long the store keeps a plugin binary that nobody uses any
// more: an old build that is copied into the folder again does not have to be
// described again, and whoever looks at plugins beside the host is done by then.
const keepUnused = 7 * 24 * time.Hour

// reload brings the plugins to what their folder holds, and then clears the
// store of what has not been of use for long.
func (h *Host) reload(ctx context.Context, name string) []supervisor.Result {
	results := h.supervisor.Reload(ctx, name)
	h.clearStore(ctx)
	return results
}

// clearStore removes nothing unless it is known what is used.
func (h *Host) clearStore(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	used, err := h.supervisor.InUse(ctx)
	if err != nil || ctx.Err() != nil { // or the look at the folder was cut short
		return // the next reload does it
	}
	removed, err := h.catalog.Collect(used, keepUnused)
	if err != nil {
		h.o.Logger.Warn("old plugin binaries are left in the store", "error", err)
	}
	for _, e := range removed {
		h.o.Logger.Debug("removed a plugin binary that was not used for long from the store", "digest", e.Digest, "source", e.Source)
	}
	if len(removed) > 0 {
		h.o.Logger.Info("removed plugin binaries that were not used for long from the store", "entries", len(removed))
	}
}
