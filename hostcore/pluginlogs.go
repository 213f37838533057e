package hostcore

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/orch-host/orch/hostcore/admin"
	"github.com/orch-host/orch/hostcore/pluginlog"
	"github.com/orch-host/orch/hostcore/supervisor"
)

// Logs are the latest records about a plugin. Until a file has been asked for
// its name, its records are under the file's.
func (b *backend) Logs(ctx context.Context, q admin.LogQuery) ([]pluginlog.Line, error) {
	names := []string{q.Plugin}
	for _, p := range b.supervisor.List() {
		if p.Name == q.Plugin {
			names = append(names, filepath.Base(p.Path))
		}
	}
	if len(names) == 1 && !b.logs.Has(q.Plugin) {
		return nil, fmt.Errorf("plugin %q: %w; see host plugin list", q.Plugin, supervisor.ErrUnknownPlugin)
	}
	return b.logs.Await(ctx, names, q.After, q.Last), nil
}
