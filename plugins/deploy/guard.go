package deploy

import (
	"context"
	"sync"

	"github.com/orch-host/orch/sdk"
)

// typeInProgress says that the app is being deployed by another run.
const typeInProgress = "DeployInProgress"

// guard lets one run at a time create and deploy an app. Different apps do not wait for each other. It sees this host only; between
// hosts Fly's leases and the one-execution-per-service rule of Temporal do the same.
type guard struct {
	mu   sync.Mutex
	busy map[string]*holder
}

type holder struct {
	run, workflow string
	done          chan struct{}
}

// enter takes the app. Another run's deployment refuses it at once, with that run's id. An attempt of the same run that
// was given up and has not noticed yet is waited for: two of them must not act side by side.
func (g *guard) enter(ctx context.Context, platform, app string) (leave func(), err error) {
	run := sdk.GetInfo(ctx).RunID
	return g.take(ctx, platform+"/"+app, func(h *holder) error {
		if h.run == run {
			return nil
		}
		return final(typeInProgress, "%s: app %s is being deployed by workflow %s (run %s); wait for it to end, or stop it", platform, app, firstOf(h.workflow, "(unknown)"), firstOf(h.run, "unknown"))
	})
}

// turn waits for whoever holds the thing: what several apps share is made by the first of them and found by the others.
func (g *guard) turn(ctx context.Context, thing string) (leave func(), err error) {
	return g.take(ctx, thing, func(*holder) error { return nil })
}

// take holds a key until leave is called. refuse decides whether a holder is waited for.
func (g *guard) take(ctx context.Context, key string, refuse func(*holder) error) (leave func(), err error) {
	info := sdk.GetInfo(ctx)
	for {
		g.mu.Lock()
		h := g.busy[key]
		if h == nil {
			h = &holder{run: info.RunID, workflow: info.WorkflowID, done: make(chan struct{})}
			if g.busy == nil {
				g.busy = map[string]*holder{}
			}
			g.busy[key] = h
			g.mu.Unlock()
			return func() {
				g.mu.Lock()
				defer g.mu.Unlock()
				delete(g.busy, key)
				close(h.done)
			}, nil
		}
		g.mu.Unlock()
		if err := refuse(h); err != nil {
			return nil, err
		}
		select {
		case <-h.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
