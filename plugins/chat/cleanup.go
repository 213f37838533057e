package chat

import (
	"context"
	"fmt"
	"slices"

	cerrdefs "github.com/containerd/errdefs"
	dcontainer "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/sdk"
)

// CleanupOutput of the stop and delete activities.
type CleanupOutput struct {
	Action         string   `json:"action" jsonschema:"stopped, deleted, unchanged or absent"`
	Changed        bool     `json:"changed"`
	Containers     []string `json:"containers,omitempty" jsonschema:"those that were stopped or removed"`
	Images         []string `json:"images,omitempty" jsonschema:"those that were removed"`
	InUse          []string `json:"in_use,omitempty" jsonschema:"images that stay because a container uses them"`
	KeptVolumes    []string `json:"kept_volumes,omitempty" jsonschema:"volumes that hold data; purge removes them"`
	RemovedVolumes []string `json:"removed_volumes,omitempty"`
}

// cleanup is what stop and delete work on: the application without its spec,
// which needs an image that may be gone.
func (g *group) cleanup(ctx context.Context, in Input) (*app, error) {
	engine, err := g.answering(ctx)
	if err != nil {
		return nil, err
	}
	service, err := in.service(ctx)
	if err != nil {
		return nil, err
	}
	return &app{group: g, engine: engine, config: g.current(), service: service}, nil
}

// refs are the containers that the input means: the front first, so that
// nobody is sent to an application that is ending.
func (a *app) refs(ctx context.Context, in Input) ([]container.Ref, error) {
	if in.Container != "" {
		return []container.Ref{{Service: a.service, Component: component, Name: in.Container, SharedNetworks: []string{proxyNetwork}}}, nil
	}
	found, err := a.engine.List(ctx, a.service, component)
	refs := []container.Ref{{Service: a.service, Component: frontComponent}}
	for _, f := range found {
		refs = append(refs, container.Ref{Service: a.service, Component: component, Name: f.Name, SharedNetworks: []string{proxyNetwork}})
	}
	return refs, err
}

// stop is stop_chat_container_activity.
func (g *group) stop(ctx context.Context, in Input) (CleanupOutput, error) {
	out := CleanupOutput{Action: "absent"}
	a, err := g.cleanup(ctx, in)
	if err != nil {
		return out, container.Failure(err)
	}
	refs, err := a.refs(ctx, in)
	for i := 0; err == nil && i < len(refs); i++ {
		var res container.StopResult
		if res, err = a.engine.Stop(ctx, refs[i]); err == nil && res.ID != "" && out.Action == "absent" {
			out.Action = "unchanged"
		}
		if res.Changed {
			out.Action, out.Changed = "stopped", true
			out.Containers = append(out.Containers, res.Name)
		}
	}
	return out, container.Failure(err)
}

// delete is delete_chat_container_activity. Given one container, it removes
// that one, and the front only when it serves nobody then.
func (g *group) delete(ctx context.Context, in Input) (CleanupOutput, error) {
	out := CleanupOutput{Action: "absent"}
	a, err := g.cleanup(ctx, in)
	if err != nil {
		return out, container.Failure(err)
	}
	refs, err := a.refs(ctx, in)
	if in.Container == "" && err == nil && len(refs) == 1 { // no container of the application, but perhaps its volumes
		refs = append(refs, container.Ref{Service: a.service, Component: component, SharedNetworks: []string{proxyNetwork}})
	}
	for i := 0; err == nil && i < len(refs); i++ {
		// Versions share their volumes: these go with the last container.
		purge := in.Purge && i == len(refs)-1 || refs[i].Component == frontComponent
		var res container.DeleteResult
		res, err = a.engine.Delete(ctx, refs[i], container.DeleteOptions{Purge: purge})
		if res.Changed {
			out.Action, out.Changed = "deleted", true
			out.Containers = append(out.Containers, res.Name)
		}
		if refs[i].Component != frontComponent {
			out.RemovedVolumes = append(out.RemovedVolumes, res.RemovedVolumes...)
			out.KeptVolumes = res.KeptVolumes
		}
	}
	if err == nil && in.Container != "" {
		err = a.takeBack(ctx, in.Container)
	}
	return out, container.Failure(err)
}

// deleteImage is delete_chat_image_activity.
func (g *group) deleteImage(ctx context.Context, in Input) (CleanupOutput, error) {
	out := CleanupOutput{Action: "absent"}
	a, err := g.cleanup(ctx, in)
	if err != nil {
		return out, container.Failure(err)
	}
	removed, err := a.deleteImages(ctx, in.Image)
	if err != nil {
		return out, container.Failure(err)
	}
	out.Images, out.InUse = removed.gone, removed.inUse
	switch {
	case len(out.Images) > 0:
		out.Action, out.Changed = "deleted", true
	case len(out.InUse) > 0:
		out.Action = "unchanged"
	}
	return out, nil
}

// deleteImages removes one of the service's images or, with "", all of them,
// what their builds left, and the front's image.
func (a *app) deleteImages(ctx context.Context, name string) (removedImages, error) {
	if name != "" {
		img, err := a.engine.FindImage(ctx, name)
		if err != nil || img == nil {
			return removedImages{}, err
		}
		return removeImages(ctx, a.engine, a.service, func(id string) bool { return id == img.ID })
	}
	removed, err := removeImages(ctx, a.engine, a.service, func(string) bool { return true })
	if err != nil {
		return removed, err
	}
	l, err := openLayers(sdk.StateDir(ctx), a.service)
	if err != nil {
		return removed, err
	}
	l.sweep(ctx, a.engine)
	return removed, removeFrontImages(ctx, a.engine)
}

type removedImages struct{ gone, inUse []string }

// removeImages removes those of the service's own images that are meant and
// that no container uses.
func removeImages(ctx context.Context, engine *container.Engine, service string, meant func(id string) bool) (removedImages, error) {
	var res removedImages
	all, err := images(ctx, engine, service)
	if err != nil {
		return res, err
	}
	for _, img := range all {
		if !meant(img.ID) {
			continue
		}
		names := slices.DeleteFunc(slices.Clone(img.RepoTags), func(n string) bool { return n == "<none>:<none>" })
		used, err := inUse(ctx, engine, img.ID)
		if err != nil {
			return res, err
		}
		if used {
			res.inUse = append(res.inUse, names...)
			continue
		}
		if len(names) == 0 {
			names = []string{img.ID}
		}
		for _, n := range names {
			_, err := engine.Client().ImageRemove(ctx, n, image.RemoveOptions{PruneChildren: true})
			switch {
			case cerrdefs.IsConflict(err):
				res.inUse = append(res.inUse, n)
			case err != nil && !cerrdefs.IsNotFound(err):
				return res, fmt.Errorf("remove image %s: %w", n, err)
			default:
				res.gone = append(res.gone, n)
			}
		}
	}
	return res, nil
}

func inUse(ctx context.Context, engine *container.Engine, imageID string) (bool, error) {
	list, err := engine.Client().ContainerList(ctx, dcontainer.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("ancestor", imageID))})
	if err != nil {
		return false, fmt.Errorf("look who uses image %s: %w", imageID, err)
	}
	return len(list) > 0, nil
}

// removeFrontImages removes the fronts' images that no service uses any more.
func removeFrontImages(ctx context.Context, engine *container.Engine) error {
	list, err := engine.Client().ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(
		filters.Arg("label", container.LabelManaged+"=true"), filters.Arg("label", container.LabelComponent+"="+frontComponent))})
	if err != nil {
		return fmt.Errorf("list the images of fronts: %w", err)
	}
	for _, img := range list {
		_, err := engine.Client().ImageRemove(ctx, img.ID, image.RemoveOptions{PruneChildren: true})
		if err != nil && !cerrdefs.IsConflict(err) && !cerrdefs.IsNotFound(err) {
			return fmt.Errorf("remove the image of the front: %w", err)
		}
	}
	return nil
}
