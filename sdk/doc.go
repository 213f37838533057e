// Package sdk is what a plugin author imports: describe a [Plugin], list its
// activities, call [Serve]. It depends on gRPC and hashicorp/go-plugin, never
// on Temporal or on the host.
//
// # Life of a plugin process
//
//  1. The host starts the binary with "serve", reads its manifest ([Plugin],
//     described over gRPC) and checks that nothing else offers the same names.
//  2. The host hands over the configuration table: the [Config] function runs.
//     An error refuses it; an earlier configuration then stays in force.
//  3. [Plugin.Ready], when set, holds the plugin back until it can serve.
//  4. Each activity attempt runs in its own goroutine with its own context.
//     Heartbeats tick by themselves while it runs, so that a hung process is
//     noticed and a cancellation arrives within a second.
//  5. A cancelled attempt has its context cancelled and may still clean up
//     ([Cleanup]) and answer; its stream is cut after the grace period.
//  6. On Drain or SIGTERM no new attempt is accepted, running ones finish (or
//     are cancelled at the deadline), [Plugin.Close] runs, the process exits.
//
// # Invariants
//
//   - A panic in an activity fails that attempt alone, with its stack. A panic
//     in a goroutine that the author started ends the process.
//   - [Heartbeat], [Progress] and logging never block: the latest heartbeat
//     and progress win, log records beyond the buffer are counted and dropped.
//   - Unknown fields of an activity's input are ignored; unknown keys of the
//     configuration are refused.
//   - The process dies with its host: when the host's end of the liveness pipe
//     closes, the plugin exits.
package sdk
