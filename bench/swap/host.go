package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/orch-host/orch/bench/internal/host"
	"github.com/orch-host/orch/bench/internal/machine"
	"github.com/orch-host/orch/bench/load"
)

const service = `
[services.load]
workflow = "NobodysWorkflow"
plugins = ["load"]
max_concurrency = 1000
`

// cost is what a start took and what the host holds after it.
type cost struct {
	took   time.Duration
	memory float64 // MB
}

// once starts the host with n plugins, of which the first have are there, and
// stops it.
func once(h *host.Host, binary []byte, have, n int) (cost, error) {
	for i := have; i < n; i++ {
		name := "load"
		if i > 0 {
			name = fmt.Sprintf("load%d", i)
		}
		b, err := load.Variant(binary, load.Identity{Name: name})
		if err != nil {
			return cost{}, err
		}
		if err := load.Install(filepath.Join(h.Plugins, name), b); err != nil {
			return cost{}, err
		}
	}
	time.Sleep(300 * time.Millisecond) // the files have come to rest
	took, err := h.Start(n)
	if err != nil {
		return cost{}, err
	}
	defer h.Stop()
	time.Sleep(2 * time.Second)
	rss, err := machine.Memory(h.Cmd.Process.Pid)
	return cost{took, rss}, err
}
