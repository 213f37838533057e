package container

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	dcontainer "github.com/docker/docker/api/types/container"
)

// rename gives a container of ours another name.
func (e *Engine) rename(ctx context.Context, c *snapshot, name string) error {
	err := e.api.ContainerRename(ctx, c.id, name)
	if cerrdefs.IsInvalidArgument(err) && strings.Contains(err.Error(), "same name") { // another caller did
		err = errRace
	}
	return wrap(err, "rename container %s to %s", c.name, name)
}

// stop ends the container's process as gently as its stop timeout allows.
func (e *Engine) stop(ctx context.Context, c *snapshot) error {
	return wrap(e.api.ContainerStop(ctx, c.id, dcontainer.StopOptions{}), "stop container %s", c.name)
}

// remove takes a container of ours away, with its nameless volumes; its named
// ones stay. Somebody else having done so is fine.
func (e *Engine) remove(ctx context.Context, c *snapshot) error {
	err := e.api.ContainerRemove(ctx, c.id, dcontainer.RemoveOptions{Force: true, RemoveVolumes: true})
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	return wrap(err, "remove container %s", c.name)
}

// setRestart sets the container's restart policy unless it has it.
func (e *Engine) setRestart(ctx context.Context, c *snapshot, policy dcontainer.RestartPolicyMode) error {
	if c.restart == policy {
		return nil
	}
	_, err := e.api.ContainerUpdate(ctx, c.id, dcontainer.UpdateConfig{RestartPolicy: dcontainer.RestartPolicy{Name: policy}})
	return wrap(err, "set the restart policy of container %s", c.name)
}

// startFailed says why the engine could not start the container.
func (r *ensuring) startFailed(ctx context.Context, err error) error {
	msg := daemonMessage(err)
	switch {
	case strings.Contains(msg, "port is already allocated"), strings.Contains(msg, "address already in use"):
		return r.portInUse(ctx, msg, err)
	case cerrdefs.IsInvalidArgument(err):
		return &SpecError{Name: r.s.Name, Problem: "cannot be started: " + r.s.redact(msg), Err: err}
	}
	return wrap(err, "start container %s", r.s.Name)
}

// boundPort matches ports in the engine's words; the host's comes first.
var boundPort = regexp.MustCompile(`:(\d+)\b`)

// portInUse finds out which port it is and who has it.
func (r *ensuring) portInUse(ctx context.Context, msg string, cause error) error {
	e := &PortInUseError{Name: r.s.Name, Addr: "one of its ports", Err: cause}
	for _, found := range boundPort.FindAllStringSubmatch(msg, -1) {
		i := slices.IndexFunc(r.s.Ports, func(p Port) bool { return p.Host != 0 && strconv.Itoa(p.Host) == found[1] })
		if i < 0 {
			continue
		}
		p := r.s.Ports[i]
		e.Addr, e.Setting = fmt.Sprintf("%s:%d", p.HostIP, p.Host), p.Setting
		running, err := r.api.ContainerList(ctx, dcontainer.ListOptions{})
		if err != nil {
			break
		}
		for _, c := range running {
			for _, b := range c.Ports {
				if int(b.PublicPort) == p.Host && len(c.Names) > 0 {
					e.Holder = strings.TrimPrefix(c.Names[0], "/")
				}
			}
		}
		break
	}
	return e
}

func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
}
