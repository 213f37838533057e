package proc

import (
	"golang.org/x/sys/unix"
)

// applyLimits sets what the kernel can hold of the process that was just
// started. A limit that cannot be set is reported, not fatal: the host may lack
// the rights, and the plugin still works.
func (c *child) applyLimits() []LimitState {
	var states []LimitState
	if n := c.spec.Limits.OpenFiles; n > 0 {
		states = append(states, LimitState{
			Name: "open files", Value: n, By: "RLIMIT_NOFILE",
			Err: setRlimit(c.pid, unix.RLIMIT_NOFILE, n),
		})
	}
	m := c.spec.Limits.MemoryBytes
	if m <= 0 {
		return states
	}
	states = append(states, LimitState{Name: "memory", Value: uint64(m), By: "GOMEMLIMIT"})
	if c.cg != nil {
		states = append(states, LimitState{Name: "memory", Value: uint64(m), By: "cgroup", Err: c.cg.memoryErr})
		if c.cg.memoryErr == nil {
			return states
		}
	}
	data := 2*uint64(m) + dataSlack
	return append(states, LimitState{
		Name: "memory", Value: data, By: "RLIMIT_DATA",
		Err: setRlimit(c.pid, unix.RLIMIT_DATA, data),
	})
}
