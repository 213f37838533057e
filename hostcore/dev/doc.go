// Package dev lets the host use plugins that it did not start: those that a
// developer runs under a debugger and names in a [dev.<group>] table.
//
// An attached plugin takes the place of every binary of its group. It is
// described, configured and routed like any other, but never started, signalled
// or asked to drain. When its connection breaks, the supervisor looks for it
// again as it would restart a process: it may be stopped and started as often as
// its developer likes. No lock file covers it; naming it in orch.toml is the
// trust.
package dev
