package chat

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"github.com/orch-host/orch/plugins/internal/container"
)

// layers remembers the nameless images that builds of a service leave behind:
// stages, and what a build that failed had got to. They make the next build
// fast, and go when the application does.
type layers struct{ file string }

func openLayers(stateDir, service string) (*layers, error) {
	dir := filepath.Join(stateDir, "layers")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of build layers: %w", err)
	}
	return &layers{filepath.Join(dir, service)}, nil
}

// add notes an image. What cannot be noted is only not swept.
func (l *layers) add(id string) {
	f, err := os.OpenFile(l.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.WriteString(id + "\n")
}

// sweep removes those of the noted images that have no name and on which no
// other is built, until none is left that can be removed.
func (l *layers) sweep(ctx context.Context, engine *container.Engine) {
	text, err := os.ReadFile(l.file)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	noted := strings.Fields(string(text))
	for again := true; again && ctx.Err() == nil; {
		again = false
		dangling, err := engine.Client().ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("dangling", "true"))})
		if err != nil {
			return
		}
		for _, d := range dangling {
			for _, id := range noted {
				if strings.HasPrefix(d.ID, "sha256:"+id) {
					_, err := engine.Client().ImageRemove(ctx, d.ID, image.RemoveOptions{PruneChildren: true})
					again = again || err == nil
				}
			}
		}
	}
	if ctx.Err() == nil {
		_ = os.Remove(l.file)
	}
}
