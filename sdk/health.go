package sdk

import (
	"context"
	"sync"

	"github.com/orch-host/orch/sdk/pluginv1"
)

type health struct {
	health  pluginv1.Status_Health
	message string
}

// healthBoard holds the latest health and wakes those who watch it.
type healthBoard struct {
	mu      sync.Mutex
	now     health
	changed chan struct{}
}

func newHealthBoard() *healthBoard {
	return &healthBoard{now: health{health: pluginv1.Status_STARTING}, changed: make(chan struct{})}
}

func (b *healthBoard) get() (health, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now, b.changed
}

func (b *healthBoard) set(h pluginv1.Status_Health, message string) {
	b.setUnless(context.Background(), h, message)
}

// setUnless does nothing once ctx is done, or when draining has begun.
func (b *healthBoard) setUnless(ctx context.Context, h pluginv1.Status_Health, message string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := health{h, validText(message)}
	if ctx.Err() != nil || b.now == next || b.now.health == pluginv1.Status_DRAINING {
		return
	}
	b.now = next
	close(b.changed)
	b.changed = make(chan struct{})
}
