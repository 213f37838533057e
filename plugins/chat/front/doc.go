// Package front is the small reverse proxy that stands before the chat
// application and holds its address, so that one version can take over from
// another without a refused connection. It runs in a container of its own, made
// from the plugin's binary (see [Main]).
//
// Its lifecycle:
//
//  1. It starts with the target that it was told last, from the state folder;
//     with none it answers 503.
//  2. [Switch] gives it another target: the front connects to it, writes it
//     down, and sends every request that comes from then on there. Switch
//     returns when the requests that the other targets are still answering,
//     streams and web sockets among them, have ended, or when the drain time is over.
//  3. On SIGTERM it finishes what it is answering, up to 10 s.
//
// Invariants: a target that cannot be connected to is never switched to; a
// request is answered by one target from beginning to end; what was written
// down is what is in force.
package front
