package container

import (
	"context"
	"fmt"
	"slices"
	"strings"

	dcontainer "github.com/docker/docker/api/types/container"
)

// Found is a container of a component as the engine shows it.
type Found struct {
	ID, Name string
	ImageID  string
	Running  bool
}

// List returns the containers of a service's component, whatever their names
// and states, sorted by name; throw-away ones are left out.
func (e *Engine) List(ctx context.Context, service, component string) ([]Found, error) {
	o := owner{service, component}
	list, err := e.api.ContainerList(ctx, dcontainer.ListOptions{All: true, Filters: o.filter()})
	if err != nil {
		if outage(err) {
			return nil, e.unreachable(err)
		}
		return nil, fmt.Errorf("list the containers of %s of service %s: %w", component, service, err)
	}
	var found []Found
	for _, c := range list {
		if c.Labels[LabelOneShot] != "" || len(c.Names) == 0 {
			continue
		}
		found = append(found, Found{ID: c.ID, Name: strings.TrimPrefix(c.Names[0], "/"), ImageID: c.ImageID, Running: c.State == dcontainer.StateRunning})
	}
	slices.SortFunc(found, func(a, b Found) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}
