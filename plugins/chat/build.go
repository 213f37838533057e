package chat

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/sdk"
)

// Input of the group's activities: the params of the workflow. What is left out
// comes from the configuration.
type Input struct {
	ServiceName string            `json:"service_name,omitempty" jsonschema:"service that everything belongs to; default: the service of the task queue"`
	Context     string            `json:"context,omitempty" jsonschema:"absolute path of the folder with the application's source"`
	Dockerfile  string            `json:"dockerfile,omitempty" jsonschema:"path of the Dockerfile in the context; default Dockerfile"`
	Target      string            `json:"target,omitempty" jsonschema:"stage to build; default the last"`
	BuildArgs   map[string]string `json:"build_args,omitempty" jsonschema:"build arguments beside the configured ones; no secrets"`
	Image       string            `json:"image,omitempty" jsonschema:"an image to run as it is, in place of building one; for delete_chat_image_activity: only this one"`
	Container   string            `json:"container,omitempty" jsonschema:"for stop and delete: only this container"`
	Purge       bool              `json:"purge,omitempty" jsonschema:"for delete: remove the volumes too, and with them the data"`
}

// service is the one that everything belongs to. Its name becomes part of
// others', those of files too: one that cannot be is refused before anything is made.
func (in Input) service(ctx context.Context) (string, error) {
	service := cmp.Or(in.ServiceName, sdk.GetInfo(ctx).Service)
	return service, container.Ref{Service: service, Component: component}.Check()
}

// BuildOutput of build_chat_image_activity.
type BuildOutput struct {
	Image   string `json:"image"`
	ImageID string `json:"image_id"`
	Action  string `json:"action" jsonschema:"built, unchanged, or given when an image is configured"`
	Changed bool   `json:"changed"`
	Built   bool   `json:"built" jsonschema:"built by this run of the workflow: an earlier attempt of the step counts"`
	Files   int    `json:"context_files,omitempty"`
	Bytes   int64  `json:"context_bytes,omitempty"`
}

// Labels of images that this group has built, beside container's.
const (
	labelTag = "orch.chat.tag" // content hash
	labelRun = "orch.run"      // run of the workflow that built it
)

const (
	component    = "app" // of the application's containers and images
	candidateTag = "candidate"
)

// repository names the images of a service.
func repository(service string) (string, error) {
	name := "orch/" + strings.ToLower(service) + "-" + component
	if _, err := reference.ParseNormalizedNamed(name); err != nil {
		return "", sdk.NonRetryable(sdk.Fail(container.TypeSpec, "the service name %q cannot be part of an image's name: want letters, digits, and single \"_\", \".\" or \"-\" between them", service))
	}
	return name, nil
}

// build is build_chat_image_activity.
func (g *group) build(ctx context.Context, in Input) (BuildOutput, error) {
	c := g.current()
	engine, err := g.answering(ctx)
	if err != nil {
		return BuildOutput{}, container.Failure(err)
	}
	service, err := in.service(ctx)
	if err != nil {
		return BuildOutput{}, container.Failure(err)
	}
	if given := cmp.Or(in.Image, c.App.Image); given != "" {
		img, err := engine.EnsureImage(ctx, given, settings+".app.image")
		if err != nil {
			return BuildOutput{}, container.Failure(err)
		}
		return BuildOutput{Image: given, ImageID: img.ID, Action: "given"}, nil
	}
	b, err := g.newBuild(ctx, c, service, in, engine)
	if err != nil {
		return BuildOutput{}, err
	}
	out, err := b.run(ctx)
	return out, container.Failure(err)
}

// imageBuild is one build.
type imageBuild struct {
	engine     *container.Engine
	config     Config
	service    string
	repository string
	context    *buildContext
	target     string
	args       map[string]string
	layers     *layers
}

func (g *group) newBuild(ctx context.Context, c Config, service string, in Input, engine *container.Engine) (*imageBuild, error) {
	b := &imageBuild{engine: engine, config: c, service: service, target: cmp.Or(in.Target, c.Build.Target), args: maps.Clone(c.Build.Args)}
	var err error
	if b.repository, err = repository(b.service); err != nil {
		return nil, err
	}
	if b.args == nil {
		b.args = map[string]string{}
	}
	maps.Copy(b.args, in.BuildArgs)
	if err := b.checkArgs(); err != nil {
		return nil, err
	}
	limit, err := c.Build.maxContext()
	if err != nil {
		return nil, err
	}
	b.context, err = readContext(ctx, cmp.Or(in.Context, c.Build.Context), cmp.Or(in.Dockerfile, c.Build.Dockerfile, "Dockerfile"), limit, c.secrets())
	if err != nil {
		return nil, err
	}
	b.layers, err = openLayers(sdk.StateDir(ctx), b.service)
	return b, err
}

// checkArgs refuses secrets: a build argument can be read from the image's history.
func (b *imageBuild) checkArgs() error {
	for _, name := range slices.Sorted(maps.Keys(b.args)) {
		value, secret := b.args[name], secretName.MatchString(name)
		for _, s := range b.config.secrets() {
			secret = secret || strings.Contains(value, s)
		}
		if secret || strings.HasPrefix(value, "env:") || strings.HasPrefix(value, "file:") {
			return sdk.NonRetryable(sdk.Fail(typeSecret, "the build argument %s is or looks like a secret, and could be read from the image: give the running container its secrets by %s.app.secret_env", name, settings))
		}
	}
	return nil
}

// run builds the image unless one of the same content is there.
func (b *imageBuild) run(ctx context.Context) (BuildOutput, error) {
	sdk.Progress(ctx, "reading the context", 0, 0)
	tag, err := b.tag(ctx)
	if err != nil {
		return BuildOutput{}, err
	}
	out := BuildOutput{Image: b.repository + ":" + tag, Action: "unchanged", Files: len(b.context.entries), Bytes: b.context.size}
	img, err := b.engine.FindImage(ctx, out.Image)
	if err != nil {
		return BuildOutput{}, err
	}
	if img == nil {
		if err := b.build(ctx, tag, out.Image); err != nil {
			cleanup, cancel := sdk.Cleanup(ctx)
			defer cancel()
			b.layers.sweep(cleanup, b.engine)
			return BuildOutput{}, err
		}
		if img, err = b.engine.FindImage(ctx, out.Image); err == nil && img == nil {
			err = fmt.Errorf("image %s has been built and removed again by somebody", out.Image)
		}
		if err != nil {
			return BuildOutput{}, err
		}
		out.Action, out.Changed = "built", true
	}
	if img.Labels[container.LabelService] != b.service {
		return BuildOutput{}, &container.ForeignError{Kind: "image", Name: out.Image, Owner: "something else than service " + b.service}
	}
	out.ImageID = img.ID
	out.Built = img.Labels[labelRun] == sdk.GetInfo(ctx).RunID
	if err := b.engine.Client().ImageTag(ctx, img.ID, b.repository+":"+candidateTag); err != nil {
		return BuildOutput{}, fmt.Errorf("tag image %s: %w", out.Image, err)
	}
	return out, nil
}

// tag is the content hash of all that goes into the image.
func (b *imageBuild) tag(ctx context.Context) (tag string, err error) {
	err = b.context.write(ctx, io.Discard, func(sum string) error {
		tag = b.tagOf(sum)
		return nil
	})
	return tag, err
}

func (b *imageBuild) tagOf(content string) string {
	text, err := json.Marshal([]any{content, b.context.dockerfile, b.target, b.args, b.service})
	if err != nil { // strings, and maps of them
		panic(err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

var errBuildEnded = errors.New("the build has ended")

// build has Docker build the image under its tag. A context that is no longer
// what the tag was made from is not sent to its end, and so never built.
func (b *imageBuild) build(ctx context.Context, tag, name string) error {
	reader, writer := io.Pipe()
	sent := make(chan error, 1)
	go func() {
		err := b.context.write(ctx, writer, func(sum string) error {
			if b.tagOf(sum) != tag {
				return errors.New("the context changed while it was read")
			}
			return nil
		})
		_ = writer.CloseWithError(err) // never fails
		sent <- err
	}()
	args := map[string]*string{}
	for k, v := range b.args {
		args[k] = &v
	}
	resp, err := b.engine.Client().ImageBuild(ctx, reader, build.ImageBuildOptions{
		Tags: []string{name}, Dockerfile: b.context.dockerfile, Target: b.target, BuildArgs: args,
		Remove: true, ForceRemove: true,
		Labels: map[string]string{
			container.LabelManaged: "true", container.LabelService: b.service, container.LabelComponent: component,
			labelTag: tag, labelRun: sdk.GetInfo(ctx).RunID,
		},
	})
	if err == nil {
		err = b.follow(ctx, resp.Body)
		resp.Body.Close()
	}
	_ = reader.CloseWithError(errBuildEnded)
	sendErr := <-sent
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("build of %s: %w", name, context.Cause(ctx))
	case sendErr != nil && !errors.Is(sendErr, errBuildEnded):
		return sendErr
	case cerrdefs.IsInvalidArgument(err):
		return sdk.NonRetryable(sdk.Fail(typeDockerfile, "Docker refuses %s: %s", path.Join(b.context.folder, b.context.dockerfile), b.config.redact(strings.TrimPrefix(err.Error(), "Error response from daemon: "))))
	}
	return err
}

// message is one of the engine's while it builds.
type message struct {
	Stream string `json:"stream"`
	Status string `json:"status"`
	Error  string `json:"error"`
}

var (
	stepLine  = regexp.MustCompile(`^Step (\d+)/(\d+) : (.*)`)
	layerLine = regexp.MustCompile(`^ ---> ([0-9a-f]{12})$`)
)

const outputLines = 100

// follow reports the build's progress and returns its error with its last lines.
func (b *imageBuild) follow(ctx context.Context, body io.Reader) error {
	var lines []string
	cached := false
	for dec := json.NewDecoder(body); ; {
		var m message
		if err := dec.Decode(&m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("follow the build: %w", err)
		}
		for line := range strings.Lines(m.Stream) {
			line = strings.TrimRight(b.config.redact(line), "\r\n")
			if line == "" {
				continue
			}
			if lines = append(lines, line); len(lines) > outputLines {
				lines = lines[1:]
			}
			switch step, layer := stepLine.FindStringSubmatch(line), layerLine.FindStringSubmatch(line); {
			case step != nil:
				cached = strings.HasPrefix(step[3], "FROM ")
				sdk.Progress(ctx, "building: "+step[3], number(step[1]), number(step[2]))
			case strings.HasSuffix(line, "Using cache"):
				cached = true
			case layer != nil && !cached:
				b.layers.add(layer[1])
			}
		}
		if m.Error != "" {
			failure := sdk.Fail(typeBuild, "the build of %s failed: %s; its last lines:\n%s", b.repository, b.config.redact(m.Error), strings.Join(lines, "\n"))
			if strings.Contains(m.Error, "dockerfile parse error") || strings.Contains(m.Error, "requires BuildKit") {
				failure.Type = typeDockerfile
				return sdk.NonRetryable(failure)
			}
			return failure
		}
	}
}

func number(text string) (n int64) {
	_, _ = fmt.Sscan(text, &n) // digits, says the pattern
	return n
}

// images are those that were built for a service.
func images(ctx context.Context, engine *container.Engine, service string) ([]image.Summary, error) {
	list, err := engine.Client().ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(
		filters.Arg("label", container.LabelManaged+"=true"),
		filters.Arg("label", container.LabelService+"="+service),
		filters.Arg("label", container.LabelComponent+"="+component),
	)})
	if err != nil {
		return nil, fmt.Errorf("list the images of service %s: %w", service, err)
	}
	slices.SortFunc(list, func(a, b image.Summary) int { return time.Unix(a.Created, 0).Compare(time.Unix(b.Created, 0)) })
	return list, nil
}
