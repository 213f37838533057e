// Package plugin is the host's end of one running plugin process: what it
// offers, how an activity attempt is sent to it and how it is drained.
//
// Life of an [Instance]:
//
//  1. Connect asks a started process for its manifest and checks it.
//  2. Configure hands over the configuration; AwaitReady waits for the plugin's
//     own word that it can serve.
//  3. Execute runs attempts, any number at once, between Acquire and Release.
//  4. Drain refuses further attempts, waits for the running ones, asks those
//     that are left at the deadline to give up, and ends the process.
//
// Invariants: an attempt ends with a result, with the plugin's failure, or with
// an error that says why neither came; the host never sends an attempt twice.
package plugin
