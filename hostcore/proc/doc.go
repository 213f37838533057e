// Package proc starts one plugin process, talks to it and makes sure that it
// ends. It knows nothing of activities, configuration or restarts: those belong
// to the supervisor above it.
//
// Lifecycle of a process:
//
//  1. Start makes a private 0700 folder for the socket below Spec.RuntimeDir
//     and executes the binary in a process group of its own, with exactly the
//     environment it was given, /dev/null as stdin and no descriptor but three
//     standard ones, the liveness pipe (3) and the handshake pipe (4).
//  2. The handshake line is taken from the handshake pipe or, for a plugin that
//     does not know it, from stdout; whichever carries it first wins. Every
//     other line of output becomes a log record and is kept in a 64 KB ring.
//  3. A gRPC connection to the announced socket is opened. Only then does Start
//     return; every failure before is a *StartError that names the stage and
//     quotes what the plugin printed, and leaves nothing behind.
//  4. The process runs until it exits, is stopped, or the host is gone. Then its
//     whole group is killed, its output is read to the end or for DrainTime, the
//     connection is closed, the folder is removed and Done is closed.
//
// Invariants:
//
//   - A plugin does not outlive its host: the kernel kills it when the thread
//     that started it ends (Pdeathsig, from a thread pinned until the child is
//     reaped), and the liveness pipe reads EOF for everything else.
//   - A signal is only ever sent to a process that has not been reaped, so a
//     reused process id is never hit.
//   - Nothing a plugin prints can block it or the host: output is always read,
//     lines are cut at MaxLine, forwarding is bounded and drops are counted.
//   - Stop returns, whatever the plugin or its children do.
//
// The transport and handshake are go-plugin's, driven through its runner
// interface; the connection is our own, because go-plugin's client leaks a
// connection when a plugin dies while connecting, and its Kill waits for good
// on a grandchild that holds stderr.
package proc
