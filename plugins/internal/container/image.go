package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"

	"github.com/orch-host/orch/sdk"
)

// Image is what the engine knows of a local image.
type Image struct {
	ID      string
	StandIn bool // it only stands in for the real one, says its label
	Labels  map[string]string
}

// FindImage looks for a local image; nil when there is none.
func (e *Engine) FindImage(ctx context.Context, ref string) (*Image, error) {
	found, err := e.api.ImageInspect(ctx, ref)
	switch {
	case cerrdefs.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look for image %s: %w", ref, err)
	}
	img := &Image{ID: found.ID}
	if found.Config != nil {
		img.Labels = found.Config.Labels
		img.StandIn = found.Config.Labels[LabelStandIn] == "true"
	}
	return img, nil
}

// EnsureImage returns the local image and pulls it when there is none. setting
// is the configuration key that names it, for the message of [ImageError].
func (e *Engine) EnsureImage(ctx context.Context, ref, setting string) (*Image, error) {
	img, err := e.FindImage(ctx, ref)
	if err != nil || img != nil {
		return img, err
	}
	if err := e.pull(ctx, ref); err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("pull image %s: %w", ref, ctx.Err())
		}
		if outage(err) {
			return nil, fmt.Errorf("pull image %s: %w", ref, err)
		}
		return nil, &ImageError{Image: ref, Setting: setting, Absent: absent(err), Err: errors.New(daemonMessage(err))}
	}
	img, err = e.FindImage(ctx, ref)
	if err == nil && img == nil {
		err = fmt.Errorf("image %s has been pulled and removed again by somebody", ref)
	}
	return img, err
}

// absent tells a registry's "no such image" from a registry that cannot be reached.
func absent(err error) bool {
	if cerrdefs.IsNotFound(err) || cerrdefs.IsInvalidArgument(err) {
		return true
	}
	msg := err.Error()
	return strings.Contains(msg, "manifest unknown") || strings.Contains(msg, "pull access denied") || strings.Contains(msg, "repository does not exist")
}

// pullMessage is one line of the engine's answer to a pull.
type pullMessage struct {
	ID       string `json:"id"`
	Status   string `json:"status"`
	Error    string `json:"error"`
	Progress struct {
		Current int64 `json:"current"`
		Total   int64 `json:"total"`
	} `json:"progressDetail"`
}

// pull fetches the image and reports the bytes of all its layers together.
func (e *Engine) pull(ctx context.Context, ref string) error {
	sdk.Progress(ctx, "pulling image "+ref, 0, 0)
	body, err := e.api.ImagePull(ctx, ref, image.PullOptions{RegistryAuth: registryAuth(ref)})
	if err != nil {
		return err
	}
	defer body.Close()
	var (
		layers   = map[string]pullMessage{}
		reported time.Time
		dec      = json.NewDecoder(body)
	)
	for {
		var m pullMessage
		switch err := dec.Decode(&m); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case m.Error != "":
			return errors.New(m.Error)
		}
		if m.Status == "Downloading" && m.Progress.Total > 0 {
			layers[m.ID] = m
		} else if l, ok := layers[m.ID]; ok { // download complete, extracting
			l.Progress.Current = l.Progress.Total
			layers[m.ID] = l
		}
		if time.Since(reported) < 300*time.Millisecond {
			continue
		}
		reported = time.Now()
		var done, total int64
		for _, l := range layers {
			done, total = done+l.Progress.Current, total+l.Progress.Total
		}
		sdk.Progress(ctx, "pulling image "+ref, done, total)
	}
}
