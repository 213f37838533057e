// Package server runs Temporal's four services and its Web UI in this process,
// on a database.Database, with the settings that fit one machine.
//
// Lifecycle: Start probes the ports, prepares the namespaces, starts the
// services, then the Web UI, and returns when a probe workflow has travelled
// through every queue. Stop takes the UI down, then the services, and leaves
// the process fit only for exit: Temporal keeps process-wide state (connection
// pool, telemetry handlers), so a second Start in one process is not supported.
//
// Invariants: everything but the frontend and the UI listens on the loopback
// address only, on ports nobody chose. A service that cannot listen ends the
// process (Temporal reports it through Logger.Fatal and would go on with a nil
// listener otherwise). A failing Web UI never stops the server from starting.
package server
