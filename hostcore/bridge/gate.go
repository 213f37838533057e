package bridge

import (
	"context"
	"sync"

	"go.temporal.io/sdk/worker"
)

// gate is the slot supplier of a queue's activities: no slot is given out, and
// so no task is polled, while it is closed or all slots are taken.
type gate struct {
	slots chan struct{}

	mu     sync.Mutex
	opened chan struct{} // closed while the gate is open
	isOpen bool
}

var _ worker.SlotSupplier = (*gate)(nil)

func newGate(slots int) *gate {
	return &gate{slots: make(chan struct{}, slots), opened: make(chan struct{})}
}

// set opens or closes the gate.
func (g *gate) set(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case open && !g.isOpen:
		close(g.opened)
	case !open && g.isOpen:
		g.opened = make(chan struct{})
	}
	g.isOpen = open
}

func (g *gate) state() (opened <-chan struct{}, open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.opened, g.isOpen
}

// ReserveSlot implements worker.SlotSupplier.
func (g *gate) ReserveSlot(ctx context.Context, _ worker.SlotReservationInfo) (*worker.SlotPermit, error) {
	for {
		opened, _ := g.state()
		select {
		case <-opened:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		select {
		case g.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if _, open := g.state(); open {
			return &worker.SlotPermit{}, nil
		}
		<-g.slots // it closed while we waited for a slot
	}
}

// TryReserveSlot implements worker.SlotSupplier.
func (g *gate) TryReserveSlot(worker.SlotReservationInfo) *worker.SlotPermit {
	if _, open := g.state(); !open {
		return nil
	}
	select {
	case g.slots <- struct{}{}:
		return &worker.SlotPermit{}
	default:
		return nil
	}
}

// MarkSlotUsed implements worker.SlotSupplier.
func (g *gate) MarkSlotUsed(worker.SlotMarkUsedInfo) {}

// ReleaseSlot implements worker.SlotSupplier.
func (g *gate) ReleaseSlot(worker.SlotReleaseInfo) { <-g.slots }

// MaxSlots implements worker.SlotSupplier.
func (g *gate) MaxSlots() int { return cap(g.slots) }
