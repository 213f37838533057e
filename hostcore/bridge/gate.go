package bridge

import (
	"context"
	"sync"

	"go.temporal.io/sdk/worker"
)

// gate is the slot supplier of a queue's activities: no slot is given out, and
// so no task is polled, while it is closed, all slots are taken or a plugin that
// the queue needs has no seat for one more attempt.
type gate struct {
	slots  chan struct{}
	seats  *Seats
	limits func() []Limit // of the plugins that the queue needs

	mu      sync.Mutex
	opened  chan struct{} // closed while the gate is open
	isOpen  bool
	polling int // slots that were given out and have no task yet
}

var _ worker.SlotSupplier = (*gate)(nil)

// slot is what a permit carries.
type slot struct{ used bool }

func newGate(slots int, seats *Seats, limits func() []Limit) *gate {
	if limits == nil {
		limits = func() []Limit { return nil }
	}
	return &gate{slots: make(chan struct{}, slots), seats: seats, limits: limits, opened: make(chan struct{})}
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

func (g *gate) awaitOpen(ctx context.Context) error {
	g.mu.Lock()
	opened := g.opened
	g.mu.Unlock()
	select {
	case <-opened:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// admit gives out a slot that was taken from slots, or says what to wait for;
// nil changed: for the gate to open.
func (g *gate) admit() (permit *worker.SlotPermit, changed <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.isOpen {
		return nil, nil
	}
	if ok, changed := g.seats.room(g.limits(), g.polling); !ok {
		return nil, changed
	}
	g.polling++
	return &worker.SlotPermit{UserData: &slot{}}, nil
}

// ReserveSlot implements worker.SlotSupplier.
func (g *gate) ReserveSlot(ctx context.Context, _ worker.SlotReservationInfo) (*worker.SlotPermit, error) {
	for {
		if err := g.awaitOpen(ctx); err != nil {
			return nil, err
		}
		select {
		case g.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		permit, changed := g.admit()
		if permit != nil {
			return permit, nil
		}
		<-g.slots // it closed while we waited for a slot, or there is no seat
		if changed == nil {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// TryReserveSlot implements worker.SlotSupplier.
func (g *gate) TryReserveSlot(worker.SlotReservationInfo) *worker.SlotPermit {
	select {
	case g.slots <- struct{}{}:
	default:
		return nil
	}
	permit, _ := g.admit()
	if permit == nil {
		<-g.slots
	}
	return permit
}

// MarkSlotUsed implements worker.SlotSupplier: a task has come.
func (g *gate) MarkSlotUsed(info worker.SlotMarkUsedInfo) { g.arrived(info.Permit()) }

// ReleaseSlot implements worker.SlotSupplier.
func (g *gate) ReleaseSlot(info worker.SlotReleaseInfo) {
	g.arrived(info.Permit())
	<-g.slots
}

// arrived notes that a permit no longer stands for a poll.
func (g *gate) arrived(p *worker.SlotPermit) {
	s, ok := p.UserData.(*slot)
	if !ok {
		return
	}
	g.mu.Lock()
	first := !s.used
	if first {
		s.used = true
		g.polling--
	}
	g.mu.Unlock()
	if first {
		g.seats.poke()
	}
}

// MaxSlots implements worker.SlotSupplier.
func (g *gate) MaxSlots() int { return cap(g.slots) }
