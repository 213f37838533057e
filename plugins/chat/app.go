package chat

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/plugins/internal/neo4j"
	"github.com/orch-host/orch/plugins/internal/ready"
	"github.com/orch-host/orch/sdk"
)

// app is the application of one service as it shall be, and what there is of it.
type app struct {
	group   *group
	engine  *container.Engine
	config  Config
	service string
	spec    container.Spec
	alias   string // of spec's container in the service's network: app-<digest>
}

// app describes the application's container from the configuration and the
// image that was built last, or the given one.
func (g *group) app(ctx context.Context, in Input) (*app, error) {
	engine, err := g.answering(ctx)
	if err != nil {
		return nil, err
	}
	service, err := in.service(ctx)
	if err != nil {
		return nil, err
	}
	a := &app{group: g, engine: engine, config: g.current(), service: service}
	img, name, err := a.image(ctx, cmp.Or(in.Image, a.config.App.Image))
	if err != nil {
		return nil, err
	}
	if a.spec, err = a.describe(ctx, name, img.ID); err != nil {
		return nil, err
	}
	digest, err := a.spec.Digest()
	if err != nil {
		return nil, err
	}
	_, digest, _ = strings.Cut(digest, "-")
	a.alias = component + "-" + digest[:8]
	a.spec.Name = container.ContainerName(a.service, a.alias)
	a.spec.Networks[0].Aliases = []string{a.alias}
	return a, nil
}

// image finds the one to run: the given one, or that of the last build.
func (a *app) image(ctx context.Context, given string) (*container.Image, string, error) {
	if given != "" {
		img, err := a.engine.EnsureImage(ctx, given, settings+".app.image")
		return img, given, err
	}
	repo, err := repository(a.service)
	if err != nil {
		return nil, "", err
	}
	img, err := a.engine.FindImage(ctx, repo+":"+candidateTag)
	if err != nil {
		return nil, "", err
	}
	if img == nil {
		return nil, "", sdk.NonRetryable(sdk.Fail(container.TypeImage, "no image of service %s has been built: run build_chat_image_activity first, or name one in %s.app.image", a.service, settings))
	}
	return img, repo + ":" + img.Labels[labelTag], nil
}

// describe makes the spec, all but the name. Containers of two versions share
// the volumes.
func (a *app) describe(ctx context.Context, image, imageID string) (container.Spec, error) {
	c := a.config.App
	memory, err := container.ParseMemory(c.Memory)
	if err != nil {
		return container.Spec{}, err
	}
	env := map[string]string{"PORT": fmt.Sprint(c.port()), "NEO4J_URI": "bolt://" + neo4jAddress, "NEO4J_USERNAME": neo4j.User, "AI_PROXY_HOST": "ai-proxy"}
	maps.Copy(env, c.Env)
	secrets := maps.Clone(c.SecretEnv)
	if secrets == nil {
		secrets = map[string]sdk.Secret{}
	}
	if _, own := secrets["NEO4J_PASSWORD"]; !own {
		secret, _, err := a.config.Neo4j.Secret(neo4j.PasswordFile(ctx, a.service))
		if err != nil {
			return container.Spec{}, err
		}
		secrets["NEO4J_PASSWORD"] = secret
	}
	base := container.ContainerName(a.service, component)
	spec := container.Spec{
		Service: a.service, Component: component, Name: base, VolumePrefix: base,
		Image: image, ImageSetting: settings + ".app.image", Cmd: c.Command, User: c.User,
		Labels: map[string]string{"orch.chat.image": imageID},
		Env:    env, SecretEnv: secrets,
		Ports:    []container.Port{{Container: c.port()}}, // for the health check alone: the front serves
		Networks: []container.Network{{Name: container.ServiceNetwork(a.service)}, {Name: proxyNetwork, Shared: true}},
		Tmpfs:    c.Tmpfs,
		Limits:   container.Limits{Memory: memory, CPUs: c.CPUs, PIDs: cmp.Or(c.PIDs, 1024)},
		Restart:  c.Restart, ReadOnlyRoot: !c.Writable,
		StopTimeout: cmp.Or(time.Duration(c.StopAfter), 10*time.Second),
	}
	if spec.Tmpfs == nil {
		spec.Tmpfs = []string{"/tmp"}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Volumes)) {
		spec.Volumes = append(spec.Volumes, container.Volume{Name: name, Path: c.Volumes[name]})
	}
	return spec, nil
}

// healthy is the application's readiness.
func (a *app) healthy() func(context.Context, container.Endpoints) error {
	h := a.config.Health
	var row atomic.Int64
	return func(ctx context.Context, at container.Endpoints) error {
		err := ready.HTTP("http://"+at.Addr(a.config.App.port())+cmp.Or(h.Path, "/"), ready.HTTPOptions{Status: h.Status, Contains: h.Contains})(ctx)
		if err != nil {
			row.Store(0)
			return err
		}
		if n, wanted := row.Add(1), int64(cmp.Or(h.Successes, 2)); n < wanted {
			return fmt.Errorf("it has answered well %d of %d times in a row", n, wanted)
		}
		return nil
	}
}

// others are the application's containers beside the one with the name.
func (a *app) others(ctx context.Context, name string) ([]container.Found, error) {
	all, err := a.engine.List(ctx, a.service, component)
	return slices.DeleteFunc(all, func(f container.Found) bool { return f.Name == name }), err
}

// remove takes containers of the application away.
func (a *app) remove(ctx context.Context, found ...container.Found) error {
	for _, f := range found {
		_, err := a.engine.Delete(ctx, container.Ref{Service: a.service, Component: component, Name: f.Name, SharedNetworks: []string{proxyNetwork}}, container.DeleteOptions{})
		if err != nil {
			return err
		}
	}
	return nil
}
