package deploy

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"github.com/orch-host/orch/plugins/deploy/internal/httpapi"
	"github.com/orch-host/orch/sdk"
)

// dockerAPI is what publishing takes of the Docker Engine.
type dockerAPI interface {
	ImageInspect(ctx context.Context, image string, opts ...client.ImageInspectOption) (image.InspectResponse, error)
	ImageTag(ctx context.Context, image, ref string) error
	ImagePush(ctx context.Context, ref string, options image.PushOptions) (io.ReadCloser, error)
	ImageRemove(ctx context.Context, ref string, options image.RemoveOptions) ([]image.DeleteResponse, error)
	Close() error
}

func localDocker() (dockerAPI, error) {
	return client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
}

// publishImage pushes the image when it exists in the local Docker only, and returns the reference that the provider
// can pull. With push_to it is always pushed. With a default target (Fly's registry) it is pushed when its name carries
// no registry and the local Docker, which has to answer for that, has it. The tag is the image's content, so a second push is no second image.
func (d *deployer) publishImage(ctx context.Context, s *settings, a App, target string, res *Result) (string, error) {
	auto := a.PushTo == ""
	if auto && (target == "" || registryHost(a.Image) != "" || strings.Contains(a.Image, "@")) {
		return a.Image, nil
	}
	if !auto {
		target = a.PushTo
		if !imageOK.MatchString(target) || strings.Contains(target, "@") || tagOf(target) != "" || registryHost(target) == "" {
			return "", invalid("push_to %q: give registry and repository without a tag, e.g. ghcr.io/acme/shop", target)
		}
	}
	docker, err := d.docker()
	if err != nil {
		return "", unreachable(s, a.Image, auto, err)
	}
	defer func() { _ = docker.Close() }() // idle connections only
	info, err := docker.ImageInspect(ctx, a.Image)
	switch {
	case err != nil && cancelled(ctx):
		return "", context.Cause(ctx)
	case auto && cerrdefs.IsNotFound(err):
		return a.Image, nil // not here: the provider pulls it by its name
	case client.IsErrConnectionFailed(err):
		return "", unreachable(s, a.Image, auto, err)
	case cerrdefs.IsNotFound(err):
		return "", invalid("image %s is not in the local Docker, so it cannot be pushed to %s; build or pull it first", a.Image, target)
	case err != nil:
		return "", sdk.Fail(typeDockerError, "look up image %s in the local Docker: %s", a.Image, s.redact.String(err.Error()))
	}
	_, hex, _ := strings.Cut(info.ID, ":")
	ref := target + ":orch-" + hex[:min(12, len(hex))]
	if a.DryRun {
		res.Plan = append(res.Plan, fmt.Sprintf("push the local image %s to %s", a.Image, ref))
		return ref, nil
	}
	if err := docker.ImageTag(ctx, a.Image, ref); err != nil {
		if cancelled(ctx) {
			return "", context.Cause(ctx)
		}
		return "", sdk.Fail(typeDockerError, "tag image %s as %s: %s", a.Image, ref, s.redact.String(err.Error()))
	}
	if ref != a.Image && namedOtherwise(info, ref) {
		defer untag(ctx, docker, ref)
	}
	if err := push(ctx, docker, s, ref); err != nil {
		if cancelled(ctx) {
			return "", context.Cause(ctx)
		}
		return "", err
	}
	res.Plan = append(res.Plan, fmt.Sprintf("pushed the local image %s to %s", a.Image, ref))
	return ref, nil
}

// unreachable is the error about a Docker that does not answer. Of a name without a registry nobody can say then whether it
// is a local image or one on Docker Hub; an attempt that guessed would deploy something else than the one before.
func unreachable(s *settings, name string, auto bool, err error) error {
	hint := ""
	if auto {
		hub := name
		if !strings.Contains(hub, "/") {
			hub = "library/" + hub
		}
		hint = fmt.Sprintf("; if the image on Docker Hub is meant, name it docker.io/%s", hub)
	}
	return sdk.Fail(typeDockerError, "reach the local Docker, to push %s if it is a local image: %s%s", name, s.redact.String(err.Error()), hint)
}

// namedOtherwise says whether the image keeps a name when ref is taken away: without one it would be deleted.
func namedOtherwise(info image.InspectResponse, ref string) bool {
	return slices.ContainsFunc(info.RepoTags, func(name string) bool { return tagOf(name) != tagOf(ref) })
}

// untag removes the name that an image was given for the push. The image stays under its own.
func untag(ctx context.Context, docker dockerAPI, ref string) {
	clean, done := sdk.Cleanup(ctx)
	defer done()
	if _, err := docker.ImageRemove(clean, ref, image.RemoveOptions{}); err != nil && !cerrdefs.IsNotFound(err) {
		sdk.Logger(ctx).Warn("the name that an image was given for its push is still in the local Docker", "image", ref, "error", err)
	}
}

func push(ctx context.Context, docker dockerAPI, s *settings, ref string) error {
	auth, err := s.registryAuth(registryHost(ref))
	if err != nil {
		return err
	}
	stream, err := docker.ImagePush(ctx, ref, image.PushOptions{RegistryAuth: auth})
	if err != nil {
		return pushFailed(s, ref, err.Error())
	}
	defer stream.Close()
	return readPush(ctx, s, ref, stream)
}

// readPush reads the progress of a push. The Engine answers 200 before it begins: errors are lines of the stream, and a
// stream that just ends is one too.
func readPush(ctx context.Context, s *settings, ref string, stream io.Reader) error {
	lines := bufio.NewScanner(stream)
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	pushed := false
	for lines.Scan() {
		var l struct {
			Status      string `json:"status"`
			ID          string `json:"id"`
			Error       string `json:"error"`
			ErrorDetail *struct {
				Message string `json:"message"`
			} `json:"errorDetail"`
			Progress struct {
				Current int64 `json:"current"`
				Total   int64 `json:"total"`
			} `json:"progressDetail"`
			Aux *struct {
				Digest string `json:"Digest"`
			} `json:"aux"`
		}
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			continue
		}
		if l.ErrorDetail != nil || l.Error != "" {
			text := l.Error
			if l.ErrorDetail != nil && l.ErrorDetail.Message != "" {
				text = l.ErrorDetail.Message
			}
			return pushFailed(s, ref, text)
		}
		if l.Aux != nil && l.Aux.Digest != "" || strings.Contains(l.Status, "digest: sha256:") {
			pushed = true
		}
		sdk.Progress(ctx, "pushing "+ref+" "+l.Status, l.Progress.Current, l.Progress.Total)
	}
	if err := lines.Err(); err != nil {
		return pushFailed(s, ref, err.Error())
	}
	if !pushed {
		return pushFailed(s, ref, "the stream ended before the registry confirmed a digest")
	}
	return nil
}

func pushFailed(s *settings, ref, text string) error {
	text = s.redact.String(text)
	low := strings.ToLower(text)
	for _, sign := range []string{"unauthorized", "authentication required", "denied", "no basic auth"} {
		if strings.Contains(low, sign) {
			return final(string(httpapi.Auth), "push %s: %s; check the token, or [plugins.deploy.config.registries.%q]", ref, text, registryHost(ref))
		}
	}
	return sdk.Fail(typeDockerError, "push %s: %s", ref, text)
}

// registryAuth is the X-Registry-Auth of a registry. Fly's takes any user with the API token.
func (s *settings) registryAuth(host string) (string, error) {
	login := map[string]string{"serveraddress": host}
	if r, ok := s.Registries[host]; ok {
		login["username"], login["password"] = r.Username, r.Password.Reveal()
	} else if host == s.Fly.Registry {
		login["username"], login["password"] = "x", s.Fly.Token.Reveal()
	}
	data, err := json.Marshal(login)
	if err != nil {
		return "", fmt.Errorf("encode the login for %s: %w", host, err)
	}
	return base64.URLEncoding.EncodeToString(data), nil
}

// registryHost is the registry in an image's name, empty when Docker Hub is meant.
func registryHost(ref string) string {
	first, _, more := strings.Cut(ref, "/")
	if more && (strings.ContainsAny(first, ".:") || first == "localhost") {
		return first
	}
	return ""
}

// tagOf is the tag in an image's name.
func tagOf(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	last := ref[strings.LastIndex(ref, "/")+1:]
	_, tag, _ := strings.Cut(last, ":")
	return tag
}

// repositoryOf is an image's name without tag and digest.
func repositoryOf(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	if tag := tagOf(ref); tag != "" {
		ref = strings.TrimSuffix(ref, ":"+tag)
	}
	return ref
}
