package hostcore

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"go.temporal.io/sdk/client"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/executor"
	"github.com/orch-host/orch/hostcore/workflows"
)

// identity is how this host shows among the pollers of a task queue: its name,
// which has no slash, and its process.
func (h *Host) identity() string { return fmt.Sprintf("%s/%d", h.cfg.Host.Name, os.Getpid()) }

// placed is the name or label under which this host takes activities of the
// service that belong to certain hosts; "" when there are none for it.
func (h *Host) placed(s config.Service) string {
	c := h.cfg.Host
	switch {
	case s.Placement == config.PlacementAny:
		return ""
	case s.Placement == config.PlacementAll:
		return c.Name
	case s.Placement == c.Name, slices.Contains(c.Labels, s.Placement):
		return s.Placement
	}
	return ""
}

// placement is where the activities of a service run. It is in force for services
// of any host too: their runs that began under another placement go on.
func (h *Host) placement(s config.Service, c client.Client) workflows.Placement {
	p := workflows.Placement{
		All: s.Placement == config.PlacementAll,
		Hosts: func(ctx context.Context) ([]string, error) {
			return hostsOf(ctx, c, s)
		},
	}
	if s.Placement != config.PlacementAny && !p.All {
		p.Target = s.Placement
	}
	return p
}

// hostsOf are the names of the hosts that have polled the service's queue lately,
// sorted.
func hostsOf(ctx context.Context, c client.Client, s config.Service) ([]string, error) {
	identities, err := executor.Pollers(ctx, c, s.Namespace, s.TaskQueue)
	if err != nil {
		return nil, err
	}
	var hosts []string
	for _, identity := range identities {
		if name, pid, ok := strings.Cut(identity, "/"); ok && pid != "" {
			hosts = append(hosts, name)
		}
	}
	if len(hosts) == 0 {
		return nil, fmt.Errorf("no host polls task queue %s", s.TaskQueue)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts), nil
}
