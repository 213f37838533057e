package container

import (
	"context"
	"errors"
	"fmt"
	"sort"

	cerrdefs "github.com/containerd/errdefs"
	dcontainer "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
)

var errInUse = errors.New("it is in use")

func (s Spec) networkLabels(n Network) map[string]string {
	labels := merged(s.Labels, map[string]string{LabelManaged: "true"})
	if !n.Shared {
		labels[LabelService] = s.Service
	}
	return labels
}

// ownsNetwork tells whether the service may use the network; any may use a
// shared one.
func ownsNetwork(service string, labels map[string]string) bool {
	return labels[LabelManaged] == "true" && (labels[LabelService] == service || labels[LabelService] == "")
}

// ensureNetworks makes the networks that are missing and refuses those that
// belong to somebody else.
func (e *Engine) ensureNetworks(ctx context.Context, s Spec) error {
	for _, n := range s.Networks {
		found, err := e.networksNamed(ctx, n.Name)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			_, err := e.api.NetworkCreate(ctx, n.Name, network.CreateOptions{Driver: "bridge", Labels: s.networkLabels(n)})
			if err != nil && !cerrdefs.IsConflict(err) {
				return fmt.Errorf("make network %s for container %s: %w", n.Name, s.Name, err)
			}
			if found, err = e.networksNamed(ctx, n.Name); err != nil {
				return err
			}
		}
		if len(found) == 0 {
			return fmt.Errorf("network %s: %w", n.Name, errRace)
		}
		for _, f := range found {
			if !ownsNetwork(s.Service, f.Labels) {
				return &ForeignError{Kind: "network", Name: n.Name, Owner: ownerOf(f.Labels)}
			}
		}
		if err := e.keepOne(ctx, found); err != nil {
			return err
		}
	}
	return nil
}

// keepOne removes all but one of the networks of one name, which Docker lets
// callers that come at the same moment make. The oldest is kept, unless a
// younger one is in use already: which is older may show only after a caller
// that saw no other has gone on with its own.
func (e *Engine) keepOne(ctx context.Context, found []network.Summary) error {
	for last := len(found) - 1; last >= 0 && len(found) > 1; last-- {
		switch err := e.api.NetworkRemove(ctx, found[last].ID); {
		case err == nil, cerrdefs.IsNotFound(err):
			found = append(found[:last:last], found[last+1:]...)
		case cerrdefs.IsPermissionDenied(err), cerrdefs.IsConflict(err): // a container is in it
		default:
			return fmt.Errorf("remove the second network %s: %w", found[last].Name, err)
		}
	}
	return nil
}

// networksNamed lists the networks of exactly that name, oldest first.
func (e *Engine) networksNamed(ctx context.Context, name string) ([]network.Summary, error) {
	list, err := e.api.NetworkList(ctx, network.ListOptions{Filters: filters.NewArgs(filters.Arg("name", name))})
	if err != nil {
		return nil, fmt.Errorf("look for network %s: %w", name, err)
	}
	var exact []network.Summary
	for _, n := range list {
		if n.Name == name {
			exact = append(exact, n)
		}
	}
	sort.Slice(exact, func(i, j int) bool {
		if !exact[i].Created.Equal(exact[j].Created) {
			return exact[i].Created.Before(exact[j].Created)
		}
		return exact[i].ID < exact[j].ID
	})
	return exact, nil
}

// removeIdleNetworks removes those of the service's networks, and of the
// given shared ones, that no container is in, running or not.
func (e *Engine) removeIdleNetworks(ctx context.Context, service string, shared []string) (removed []string, err error) {
	list, err := e.api.NetworkList(ctx, network.ListOptions{Filters: filters.NewArgs(filters.Arg("label", LabelManaged+"=true"))})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	for _, n := range list {
		mine := n.Labels[LabelService] == service
		for _, name := range shared {
			mine = mine || (n.Name == name && n.Labels[LabelService] == "")
		}
		if !mine {
			continue
		}
		users, err := e.api.ContainerList(ctx, dcontainer.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("network", n.ID))})
		if err != nil {
			return removed, fmt.Errorf("look who uses network %s: %w", n.Name, err)
		}
		if len(users) > 0 {
			continue
		}
		switch err := e.api.NetworkRemove(ctx, n.ID); {
		case err == nil:
			removed = append(removed, n.Name)
		case cerrdefs.IsNotFound(err), cerrdefs.IsPermissionDenied(err), cerrdefs.IsConflict(err): // gone, or somebody has moved in
		default:
			return removed, fmt.Errorf("remove network %s: %w", n.Name, err)
		}
	}
	return removed, nil
}
