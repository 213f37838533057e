package bridge

import (
	"cmp"
	"slices"
	"sync"
)

// Board shows the attempts that run now.
type Board struct {
	mu      sync.Mutex
	running map[*attempt]struct{}
}

// NewBoard makes an empty board.
func NewBoard() *Board { return &Board{running: map[*attempt]struct{}{}} }

func (b *Board) add(a *attempt) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running[a] = struct{}{}
}

func (b *Board) remove(a *attempt) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.running, a)
}

// List returns the running attempts, the oldest first.
func (b *Board) List() []Running {
	b.mu.Lock()
	list := make([]Running, 0, len(b.running))
	for a := range b.running {
		list = append(list, a.snapshot())
	}
	b.mu.Unlock()
	slices.SortFunc(list, func(x, y Running) int {
		return cmp.Or(x.Started.Compare(y.Started), cmp.Compare(x.WorkflowID, y.WorkflowID))
	})
	return list
}
