package hostcore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/roster"
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
func (h *Host) placement(s config.Service) workflows.Placement {
	p := workflows.Placement{
		All:   s.Placement == config.PlacementAll,
		Hosts: func(ctx context.Context) ([]string, error) { return h.Executor().HostsOf(ctx, s) },
	}
	if s.Placement != config.PlacementAny && !p.All {
		p.Target = s.Placement
	}
	return p
}

// enterRosters puts the host on the list of hosts of every namespace in which it
// takes activities that belong to certain hosts, and keeps it there until running
// ends; where it no longer takes any, it takes itself off. What fails is said and
// tried again: the work does not wait for it.
func (h *Host) enterRosters(ctx, running context.Context) error {
	queues := map[string][]string{}
	for _, s := range h.cfg.Services {
		mine := queues[s.Namespace]
		if h.placed(s) != "" {
			mine = append(mine, s.TaskQueue)
		}
		queues[s.Namespace] = mine
	}
	for namespace, queues := range queues {
		c, err := h.clients.For(namespace)
		if err != nil {
			return err
		}
		r := roster.Roster{Client: c, Namespace: namespace, Decode: h.clients.Decode}
		told := func(err error) {
			part := "hosts of " + namespace
			h.note(part, "")
			if err != nil {
				h.note(part, err.Error())
				h.o.Logger.Warn("the list of hosts is not right; runs for all hosts may miss this one, or wait for it in vain", "error", err)
			}
		}
		if len(queues) == 0 {
			var absent *roster.UnknownError
			if err := r.Forget(ctx, h.cfg.Host.Name); err != nil && !errors.As(err, &absent) {
				told(err)
			}
			continue
		}
		slices.Sort(queues)
		entry := roster.Entry{Name: h.cfg.Host.Name, Labels: h.cfg.Host.Labels, Queues: queues, Version: h.o.Version}
		err = r.Enter(ctx, entry, h.cfg.Host.ForgetAfter)
		told(err)
		h.watching.Go(func() { r.Keep(running, entry, h.cfg.Host.ForgetAfter, err, told) })
	}
	return nil
}
