package observability

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	dockercontainer "github.com/docker/docker/api/types/container"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/sdk"
)

// discoverContainers lists the log files of running containers. Those of this product are left out unless a pattern
// names them: a receiver that ships its own log has no end. An engine that is not there has no containers.
func (g *group) discoverContainers(ctx context.Context, in Ingest) ([]Found, error) {
	found := []Found{}
	log := sdk.Logger(ctx)
	if in.Docker != nil && !*in.Docker {
		return found, nil
	}
	engine, err := g.docker.Engine()
	if err != nil {
		return nil, err
	}
	list, err := engine.Client().ContainerList(ctx, dockercontainer.ListOptions{})
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		log.Warn("no container logs: the Docker engine does not answer", "host", engine.Host(), "error", err)
		return found, nil
	}
	root := "" // Docker's folder, once it is asked for
	for _, c := range list {
		if len(c.Names) == 0 || !wanted(in.Containers, strings.TrimPrefix(c.Names[0], "/"), c.Labels) {
			continue
		}
		info, err := engine.Client().ContainerInspect(ctx, c.ID)
		if err != nil || info.HostConfig == nil {
			log.Warn("a container's log is left out", "container", c.Names[0], "error", err)
			continue
		}
		file, format := info.LogPath, "docker"
		switch driver := info.HostConfig.LogConfig.Type; driver {
		case "json-file":
		case "local":
			if root == "" {
				engineInfo, err := engine.Client().Info(ctx)
				if err != nil {
					return nil, fmt.Errorf("ask Docker for its folder: %w", err)
				}
				root = engineInfo.DockerRootDir
			}
			file, format = filepath.Join(root, "containers", c.ID, "local-logs", "container.log"), "docker-local"
		default:
			log.Warn("a container's log is left out: its driver keeps no file; start it with --log-driver json-file or local", "container", c.Names[0], "driver", driver)
			continue
		}
		if f, err := os.Open(file); err != nil {
			log.Warn("a container's log is left out: it cannot be read from here; run the host as a user who may, on the engine's machine", "container", c.Names[0], "error", err)
			continue
		} else {
			f.Close()
		}
		found = append(found, Found{Path: file, Format: format, Multiline: in.Multiline, Labels: containerLabels(strings.TrimPrefix(c.Names[0], "/"), c.ID, c.Image, c.Labels)})
	}
	slices.SortFunc(found, func(a, b Found) int { return cmp.Compare(a.Path, b.Path) })
	return found, nil
}

func wanted(patterns []string, name string, labels map[string]string) bool {
	if len(patterns) == 0 {
		return labels[container.LabelManaged] != "true"
	}
	return slices.ContainsFunc(patterns, func(p string) bool { ok, _ := path.Match(p, name); return ok })
}

func containerLabels(name, id, image string, labels map[string]string) map[string]string {
	all := map[string]string{"container.name": name, "container.id": id, "container.image.name": image,
		"service.name": cmp.Or(labels["com.docker.compose.service"], labels[container.LabelComponent], name)}
	if project := labels["com.docker.compose.project"]; project != "" {
		all["service.namespace"] = project
	}
	return all
}
