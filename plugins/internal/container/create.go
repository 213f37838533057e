package container

import (
	"context"
	"fmt"
	"path"
	"sort"
	"strconv"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	dcontainer "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
)

// createGrace is how long the engine may still take to make a container when
// the work has been canceled; that takes it well below a second.
const createGrace = 5 * time.Second

// create makes the container under the given name, without its files. A
// taken name is errRace.
func (e *Engine) create(ctx context.Context, s Spec, digest, name string, extra map[string]string) (id string, err error) {
	labels := merged(s.Labels, s.owner().labels())
	labels[LabelName], labels[LabelSpec] = s.Name, digest
	labels = merged(labels, extra)
	stop := int((s.StopTimeout + time.Second - 1) / time.Second)
	config := &dcontainer.Config{
		Image: s.Image, Entrypoint: s.Entrypoint, Cmd: s.Cmd, User: s.User, WorkingDir: s.WorkingDir,
		Env: s.environment(), Labels: labels, StopTimeout: &stop, StopSignal: s.StopSignal,
		ExposedPorts: nat.PortSet{},
	}
	host := &dcontainer.HostConfig{
		PortBindings:   nat.PortMap{},
		RestartPolicy:  dcontainer.RestartPolicy{Name: dcontainer.RestartPolicyDisabled}, // until it is ready
		ReadonlyRootfs: s.ReadOnlyRoot, CapAdd: s.CapAdd, CapDrop: s.CapDrop,
		ExtraHosts: s.ExtraHosts, Mounts: s.mounts(), Tmpfs: map[string]string{},
		Resources: dcontainer.Resources{Memory: s.Limits.Memory, NanoCPUs: int64(s.Limits.CPUs * 1e9)},
	}
	if s.Limits.PIDs > 0 {
		host.PidsLimit = &s.Limits.PIDs
	}
	if !s.AllowNewPrivileges {
		host.SecurityOpt = []string{"no-new-privileges"}
	}
	if s.Init {
		host.Init = &s.Init
	}
	for _, p := range s.Tmpfs {
		host.Tmpfs[p] = ""
	}
	for _, p := range s.Ports {
		key := nat.Port(p.key())
		config.ExposedPorts[key] = struct{}{}
		binding := nat.PortBinding{HostIP: p.HostIP}
		if p.Host != 0 {
			binding.HostPort = strconv.Itoa(p.Host)
		}
		host.PortBindings[key] = append(host.PortBindings[key], binding)
	}
	var networking *network.NetworkingConfig
	if len(s.Networks) > 0 { // engines before API 1.44 take one here; connect adds the others
		first := s.Networks[0]
		host.NetworkMode = dcontainer.NetworkMode(first.Name)
		networking = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
			first.Name: {Aliases: first.Aliases},
		}}
	}
	// A cancellation does not reach the engine in time: it would make the
	// container, and nobody would know.
	making, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(createGrace, cancel) })()
	created, err := e.api.ContainerCreate(making, config, host, networking, nil, name)
	switch {
	case err == nil:
		return created.ID, nil
	case cerrdefs.IsConflict(err):
		return "", fmt.Errorf("create container %s: %w", name, errRace)
	case cerrdefs.IsInvalidArgument(err):
		return "", &SpecError{Name: s.Name, Problem: "the Docker engine refuses it: " + s.redact(daemonMessage(err)), Err: err}
	}
	return "", fmt.Errorf("create container %s: %w", name, err)
}

// connect puts a container that is not started yet into its further networks.
func (e *Engine) connect(ctx context.Context, s Spec, id string) error {
	if len(s.Networks) < 2 {
		return nil
	}
	c, err := e.api.ContainerInspect(ctx, id)
	if err != nil {
		return fmt.Errorf("look at container %s: %w", s.Name, err)
	}
	for _, n := range s.Networks[1:] {
		if c.NetworkSettings != nil && c.NetworkSettings.Networks[n.Name] != nil {
			continue
		}
		if err := e.api.NetworkConnect(ctx, n.Name, id, &network.EndpointSettings{Aliases: n.Aliases}); err != nil {
			if cerrdefs.IsPermissionDenied(err) || cerrdefs.IsConflict(err) { // another caller has connected it
				return fmt.Errorf("connect container %s to network %s: %w", s.Name, n.Name, errRace)
			}
			return fmt.Errorf("connect container %s to network %s: %w", s.Name, n.Name, err)
		}
	}
	return nil
}

func (s Spec) environment() []string {
	env := make([]string, 0, len(s.Env)+len(s.SecretEnv))
	for k, v := range s.Env {
		env = append(env, k+"="+v)
	}
	for k, v := range s.SecretEnv {
		env = append(env, k+"="+v.Reveal())
	}
	sort.Strings(env)
	return env
}

// mounts are the spec's volumes and binds and, below a read-only root, one
// nameless volume for each folder that files are copied into: the engine
// allows copies into volumes only, and removes those with the container.
func (s Spec) mounts() []mount.Mount {
	var all []mount.Mount
	covered := map[string]bool{}
	for _, v := range s.Volumes {
		covered[path.Clean(v.Path)] = true
		all = append(all, mount.Mount{
			Type: mount.TypeVolume, Source: s.volumeName(v), Target: v.Path, ReadOnly: v.ReadOnly,
			VolumeOptions: &mount.VolumeOptions{Labels: s.volumeLabels()},
		})
	}
	for _, b := range s.Binds {
		all = append(all, mount.Mount{Type: mount.TypeBind, Source: b.Source, Target: b.Path, ReadOnly: b.ReadOnly})
	}
	if s.ReadOnlyRoot {
		for _, f := range s.Files {
			if dir := path.Dir(f.Path); !covered[dir] {
				covered[dir] = true
				all = append(all, mount.Mount{Type: mount.TypeVolume, Target: dir})
			}
		}
	}
	return all
}
