// Package embedded runs the devserver (Temporal, its Web UI and SQLite in one
// binary) as a child of the host, for temporal.mode = "embedded".
//
// Lifecycle:
//
//  1. Start looks whether another process serves the same database. One that
//     answers is reported as *AlreadyRunningError, for the caller to use; one
//     that is on its way up or down is waited for.
//  2. The child is started and says on a private descriptor that it serves, or
//     why not. Start returns then.
//  3. A child that dies is started again on the same ports and the same
//     database, with growing pauses; running workflows go on. Events tell of it.
//  4. Too many deaths in a short time, or one that no restart can mend, end it:
//     Done is closed and Err says why.
//  5. Stop asks the child to stop, waits, and kills its process group when the
//     context ends first.
//
// Invariants: the child never outlives the host. It holds the read end of a
// pipe whose write end the kernel closes when the host dies, and on Linux also
// gets SIGTERM then (set from a thread that lives as long as the child). It has
// its own process group, so a Ctrl-C in the terminal reaches the host alone and
// the order of the shutdown stays the host's. It inherits only the environment
// variables and descriptors named here.
package embedded
