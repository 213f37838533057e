package container

import (
	"context"
	"fmt"
	"net"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	dcontainer "github.com/docker/docker/api/types/container"
)

// snapshot is a container of ours as the engine showed it.
type snapshot struct {
	id, name     string
	image        string // id of its image
	spec         string // digest it was made from
	state        dcontainer.State
	restart      dcontainer.RestartPolicyMode
	networks     []string
	ports        Endpoints
	neverStarted bool
}

// find looks at the container of that name: nil when there is none, a
// [ForeignError] when it is not the owner's.
func (e *Engine) find(ctx context.Context, o owner, name string) (*snapshot, error) {
	c, err := e.api.ContainerInspect(ctx, name)
	switch {
	case cerrdefs.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look at container %s: %w", name, err)
	case c.ContainerJSONBase == nil || c.State == nil || c.Config == nil:
		return nil, fmt.Errorf("look at container %s: the engine's answer is incomplete", name)
	case strings.TrimPrefix(c.Name, "/") != name: // a name can also be the start of another one's id
		return nil, nil
	case !o.owns(c.Config.Labels):
		return nil, &ForeignError{Kind: "container", Name: name, Owner: ownerOf(c.Config.Labels)}
	}
	s := &snapshot{
		id: c.ID, name: name, image: c.Image, spec: c.Config.Labels[LabelSpec], state: *c.State,
		ports: Endpoints{}, neverStarted: strings.HasPrefix(c.State.StartedAt, "0001-"),
	}
	if c.HostConfig != nil {
		s.restart = c.HostConfig.RestartPolicy.Name
	}
	if c.NetworkSettings != nil {
		for n := range c.NetworkSettings.Networks {
			s.networks = append(s.networks, n)
		}
		for port, bindings := range c.NetworkSettings.Ports {
			for _, b := range bindings {
				if _, have := s.ports[string(port)]; !have {
					s.ports[string(port)] = net.JoinHostPort(e.reachable(b.HostIP), b.HostPort)
				}
			}
		}
	}
	return s, nil
}

// reachable is the address under which a port bound to hostIP is reached from
// here, which differs when the engine is on another machine.
func (e *Engine) reachable(hostIP string) string {
	ip := net.ParseIP(hostIP)
	if ip == nil || ip.IsUnspecified() || ip.IsLoopback() && e.probeIP != localhost {
		return e.probeIP
	}
	return hostIP
}

// outOfReach says what to do when ports are bound to the loopback address of
// another machine, where the component may be ready without anybody here
// seeing it; "" when that is not so.
func (r *ensuring) outOfReach() string {
	if ip := net.ParseIP(r.probeIP); r.probeIP == "localhost" || ip != nil && ip.IsLoopback() {
		return ""
	}
	hint := ""
	for _, p := range r.s.Ports {
		if ip := net.ParseIP(p.HostIP); ip == nil || !ip.IsLoopback() {
			continue
		}
		where := fmt.Sprintf("the Docker engine is on another machine, %s, and the container's port %d is bound to %s there, out of reach from here: ", r.probeIP, p.Container, p.HostIP)
		if p.Setting == "" { // no setting moves it
			return where + "run the host on the engine's machine"
		}
		bind := "bind of the plugin's configuration"
		if table, ok := strings.CutSuffix(r.opts.Setting, ".docker.host"); ok {
			bind = table + ".bind"
		}
		hint = where + "set " + bind + " to an address of that machine that is reached from here, or run the host there"
	}
	return hint
}

// running tells whether the process is up, and not between two restarts.
func (s *snapshot) running() bool { return s.state.Running && !s.state.Restarting }

// removing tells whether the engine is taking it away.
func (s *snapshot) removing() bool { return s.state.Status == dcontainer.StateRemoving }
