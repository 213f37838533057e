// Package hostcore puts the parts of a host together and runs them.
//
// Life of a [Host]:
//
//  1. Start takes the lock of the state folder (one host per folder), sweeps
//     what a killed host left in the runtime folder, and opens the admin socket.
//  2. Plugins are found and started while Temporal is reached, or started in
//     embedded mode; neither waits for the other.
//  3. One worker per service polls its task queue: workflows at once,
//     activities when the plugins that the service needs are ready.
//  4. The host serves until Stop: polling ends, running activities finish or
//     are cancelled within host.stop_grace, plugins drain, the connection and
//     the embedded server end, the admin socket goes last.
//
// A plugin that fails, a queue that cannot be polled and a server that goes
// away do not end the host: Ready names them until they are mended.
package hostcore
