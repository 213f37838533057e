package chat

import (
	"context"
	"errors"
	"slices"

	"github.com/orch-host/orch/plugins/chat/front"
	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/sdk"
)

// RunOutput of run_chat_container_activity and check_chat_health_activity.
type RunOutput struct {
	Container   string           `json:"container"`
	ContainerID string           `json:"container_id"`
	Image       string           `json:"image"`
	Action      container.Action `json:"action" jsonschema:"run: created, started or unchanged; check: switched or unchanged"`
	Changed     bool             `json:"changed"`
	Created     bool             `json:"created" jsonschema:"the container does not serve yet: it is this run's to take back"`
	Healthy     bool             `json:"healthy,omitempty"`
	URL         string           `json:"url" jsonschema:"where the application is served"`
	Replaced    []string         `json:"replaced,omitempty" jsonschema:"containers that made way"`
	Cut         int              `json:"cut_requests,omitempty" jsonschema:"requests to the version before that were still open when the drain time was over"`
}

const switched container.Action = "switched"

// run is run_chat_container_activity.
func (g *group) run(ctx context.Context, in Input) (RunOutput, error) {
	a, err := g.app(ctx, in)
	if err != nil {
		return RunOutput{}, container.Failure(err)
	}
	out, err := a.run(ctx)
	return out, container.Failure(err)
}

func (a *app) run(ctx context.Context) (RunOutput, error) {
	status, err := a.group.ensureFront(ctx, a.engine, a.config, a.service)
	if err != nil {
		return RunOutput{}, a.undone(ctx, err)
	}
	if err := a.sweep(ctx, status); err != nil {
		return RunOutput{}, err
	}
	spec := a.spec
	serves := serving(status) == a.alias
	spec.HoldRestart = !serves // an exit before it is healthy is to be seen
	res, err := a.engine.Ensure(ctx, spec)
	if err != nil {
		return RunOutput{}, a.undone(ctx, err)
	}
	return RunOutput{
		Container: res.Name, ContainerID: res.ID, Image: res.Image, Action: res.Action, Changed: res.Changed,
		Created: !serves, URL: a.url(),
	}, nil
}

// sweep removes what earlier runs left: containers that neither serve nor are wanted.
func (a *app) sweep(ctx context.Context, status front.Status) error {
	left, err := a.others(ctx, a.spec.Name)
	if err != nil {
		return err
	}
	live := container.ContainerName(a.service, serving(status))
	left = slices.DeleteFunc(left, func(f container.Found) bool { return f.Name == live })
	if len(left) > 0 && len(status.Open) > 0 && status.Target != "" { // a switch whose drain was cut short by a crash; the port may have changed since
		if _, err := switchFront(ctx, a.engine, a.config, a.service, status.Target); err != nil {
			return err
		}
	}
	return a.remove(ctx, left...)
}

// undone takes back what a step that failed has made, if it serves nobody.
func (a *app) undone(ctx context.Context, cause error) error {
	cleanup, cancel := sdk.Cleanup(ctx)
	defer cancel()
	if err := a.takeBack(cleanup, a.spec.Name); err != nil {
		sdk.Logger(ctx).Warn("what the failed step made could not be removed; the next setup or cleanup will", "container", a.spec.Name, "error", err)
	}
	return cause
}

// takeBack removes a container that does not serve and, when nobody is served
// at all, the front.
func (a *app) takeBack(ctx context.Context, name string) error {
	status, err := askFront(ctx, a.engine, a.service, "status")
	absent := err != nil // its container, or the front in it
	live := container.ContainerName(a.service, serving(status))
	if absent || name != live {
		if err := a.remove(ctx, container.Found{Name: name}); err != nil { // and what a crash left beside it
			return err
		}
	}
	found, err := a.engine.List(ctx, a.service, component)
	if err != nil {
		return err
	}
	for _, f := range found {
		if absent || f.Name == live { // it serves, or may be the one that does
			return nil
		}
	}
	return a.removeFront(ctx)
}

// removeFront takes the front away, with the state that only it needs.
func (a *app) removeFront(ctx context.Context) error {
	_, err := a.engine.Delete(ctx, container.Ref{Service: a.service, Component: frontComponent}, container.DeleteOptions{Purge: true})
	return err
}

// check is check_chat_health_activity.
func (g *group) check(ctx context.Context, in Input) (RunOutput, error) {
	a, err := g.app(ctx, in)
	if err != nil {
		return RunOutput{}, container.Failure(err)
	}
	out, err := a.check(ctx)
	return out, container.Failure(err)
}

func (a *app) check(ctx context.Context) (RunOutput, error) {
	status, err := a.group.ensureFront(ctx, a.engine, a.config, a.service)
	if err != nil {
		return RunOutput{}, err
	}
	found, err := a.engine.List(ctx, a.service, component)
	if err != nil {
		return RunOutput{}, err
	}
	if !slices.ContainsFunc(found, func(f container.Found) bool { return f.Name == a.spec.Name }) {
		return RunOutput{}, sdk.Fail(container.TypeNotReady, "container %s, which is to be checked, is not there: run_chat_container_activity makes it", a.spec.Name)
	}
	spec := a.spec
	spec.Ready, spec.ReadyTimeout = a.healthy(), a.config.Health.timeout()
	res, err := a.engine.Ensure(ctx, spec)
	if err != nil {
		return RunOutput{}, final(err)
	}
	out := RunOutput{Container: res.Name, ContainerID: res.ID, Image: res.Image, Action: res.Action, Changed: res.Changed, Healthy: true, URL: a.url()}
	if serving(status) != a.alias {
		out.Action, out.Changed = switched, true
		sdk.Progress(ctx, "switching to "+res.Name, 0, 0)
	}
	if status, err = a.switchTo(ctx); err != nil {
		return RunOutput{}, err
	}
	for target, n := range status.Open {
		if target != status.Target {
			out.Cut += n
		}
	}
	if err := a.tidy(ctx, &out, res.ImageID); err != nil {
		sdk.Logger(ctx).Warn("the application serves, and something of the version before is left; the next setup or cleanup will remove it", "container", res.Name, "error", err)
	}
	return out, nil
}

// switchTo has the front serve this version. Once it does, the step is done,
// also when it is canceled while requests to the version before are ending: a
// step that fails is taken back, and that would be what serves.
func (a *app) switchTo(ctx context.Context) (front.Status, error) {
	status, err := switchFront(ctx, a.engine, a.config, a.service, address(a.config, a.alias))
	if err == nil || ctx.Err() == nil {
		return status, err
	}
	cleanup, cancel := sdk.Cleanup(ctx)
	defer cancel()
	if now, askErr := askFront(cleanup, a.engine, a.service, "status"); askErr == nil && serving(now) == a.alias {
		return now, nil
	}
	return status, err
}

// tidy removes the version before, with its image.
func (a *app) tidy(ctx context.Context, out *RunOutput, imageID string) error {
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = sdk.Cleanup(ctx)
		defer cancel()
	}
	old, err := a.others(ctx, a.spec.Name)
	if err != nil {
		return err
	}
	for _, f := range old {
		out.Replaced = append(out.Replaced, f.Name)
	}
	if err := a.remove(ctx, old...); err != nil {
		return err
	}
	_, err = removeImages(ctx, a.engine, a.service, func(id string) bool { return id != imageID })
	return err
}

// final: what has exited or has not become healthy in its time does not do
// better when it is asked again.
func final(err error) error {
	var exited *container.ExitedError
	var notReady *container.NotReadyError
	if errors.As(err, &exited) || errors.As(err, &notReady) {
		return sdk.NonRetryable(container.Failure(err))
	}
	return err
}

func (a *app) url() string {
	at := container.Port{HostIP: a.config.Bind, Host: a.config.App.hostPort()}
	return "http://" + at.Address()
}
