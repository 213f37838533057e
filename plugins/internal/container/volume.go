package container

import (
	"context"
	"fmt"
	"sort"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"
)

func (s Spec) volumeLabels() map[string]string { return merged(s.Labels, s.owner().labels()) }

// ensureVolumes makes the volumes that are missing and refuses those that
// belong to somebody else.
func (e *Engine) ensureVolumes(ctx context.Context, s Spec) error {
	for _, v := range s.Volumes {
		name := s.volumeName(v)
		found, err := e.api.VolumeInspect(ctx, name)
		if cerrdefs.IsNotFound(err) {
			found, err = e.api.VolumeCreate(ctx, volume.CreateOptions{Name: name, Labels: s.volumeLabels()})
		}
		if err != nil {
			return fmt.Errorf("make volume %s of container %s: %w", name, s.Name, err)
		}
		if !s.owner().owns(found.Labels) {
			return &ForeignError{Kind: "volume", Name: name, Owner: ownerOf(found.Labels)}
		}
	}
	return nil
}

// volumesOf lists the volumes that belong to the component.
func (e *Engine) volumesOf(ctx context.Context, o owner) ([]string, error) {
	list, err := e.api.VolumeList(ctx, volume.ListOptions{Filters: o.filter()})
	if err != nil {
		return nil, fmt.Errorf("list the volumes of %s %s: %w", o.service, o.component, err)
	}
	var all []string
	for _, v := range list.Volumes {
		if o.owns(v.Labels) {
			all = append(all, v.Name)
		}
	}
	sort.Strings(all)
	return all, nil
}

// removeVolumes removes the given volumes of ours; absent ones are fine.
func (e *Engine) removeVolumes(ctx context.Context, names []string) error {
	for _, name := range names {
		switch err := e.api.VolumeRemove(ctx, name, false); {
		case err == nil || cerrdefs.IsNotFound(err):
		case cerrdefs.IsConflict(err):
			return fmt.Errorf("remove volume %s: another container uses it (docker ps -a --filter volume=%s): %w", name, name, errInUse)
		default:
			return fmt.Errorf("remove volume %s: %w", name, err)
		}
	}
	return nil
}

func (o owner) filter() filters.Args {
	return filters.NewArgs(
		filters.Arg("label", LabelManaged+"=true"),
		filters.Arg("label", LabelService+"="+o.service),
		filters.Arg("label", LabelComponent+"="+o.component),
	)
}
