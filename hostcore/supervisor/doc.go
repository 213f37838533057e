// Package supervisor decides which plugin binaries run and keeps them running.
//
// Life of a plugin, one goroutine ([unit]) per plugin name:
//
//  1. Scan finds the files in the plugin folder, copies each into the store
//     while hashing it, and learns its manifest (from the cache by digest, else
//     by starting it). Of several versions of one plugin the highest that meets
//     the configured constraint is wanted.
//  2. The wanted binary is brought up: started, described, configured, ready.
//     Until then whatever served before goes on serving.
//  3. Its routes are switched in one step; the one before drains.
//  4. For the probation period the new one is on trial: a crash or failed
//     health brings back the one before and quarantines the new digest. A
//     binary that fails before the switch is quarantined as well, and so is one
//     that fails twice when it is asked for its manifest.
//  5. A crash withdraws the routes and restarts the plugin after a back-off
//     (0.5 s doubling to 60 s, with jitter). Five failures in two minutes
//     quarantine the digest for ten minutes, or until a reload.
//  6. A quarantine of a version that was in service, or failed five times, is
//     kept in a file over a restart of the host, for the rest of its time and as
//     long as the group's settings are the same. Where nothing served before,
//     the highest version in the folder that is in no quarantine serves.
//
// Invariants: one bad plugin never stops the host or another plugin; an error
// before the switch leaves the old version serving, and so does a file that may
// not run in the place of the one that serves, or a folder that cannot be looked
// at: what serves goes on from the store; what is started again after a crash is
// the version that served, never one that was refused; every process that was
// started is stopped before Stop returns.
package supervisor
