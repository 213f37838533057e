// Package conformance tries a plugin binary from outside, as the host will use
// it, whatever language it is written in. It is behind "host plugin test".
//
// Lifecycle of a run:
//
//  1. The binary is started by hand and without the host's cookie: it has to
//     refuse with a text that tells a person what to do.
//  2. It is started as the host starts it, described, and its manifest checked.
//  3. It is configured, wrongly and rightly, and one process of it runs the
//     cases that talk to it. A case that ends the process fails, and the next
//     one gets a new process.
//  4. Processes of their own are drained, sent SIGTERM and orphaned.
//
// Which activities are run: those that the manifest calls idempotent, with an
// input made up from their schema, and those that the cases file names, with
// the input given there. Nothing else is executed with an input that it could
// accept.
//
// Invariants: every case ends within Options.Timeout and some graces, no
// process and no file of a run is left behind, and a case that cannot be judged
// is skipped with the reason and never counted as passed.
package conformance
