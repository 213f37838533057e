// Package bridge is the Temporal side of the host: one worker per task queue,
// with one dynamic activity that hands every attempt to the plugin that offers
// its name.
//
// Life of an attempt:
//
//  1. The queue's gate is open only while every plugin that the service needs
//     is ready and a slot is free, so that a host which lacks a plugin leaves
//     the task on the queue for one that has it.
//  2. The route is looked up by activity name. A plugin that is being restarted
//     is waited for, with heartbeats, also when the worker is replaced meanwhile
//     to take back the polls that are under way.
//  3. Payload bytes pass through untouched; the worker's codec, if any, is
//     applied by the SDK's data converter and nowhere else.
//  4. Heartbeats of the plugin are recorded with its latest details; their
//     answers bring cancellation back, which the plugin gets as a soft cancel.
//  5. While Temporal cannot be reached the attempt goes on, until the server would
//     give it to somebody else: shortly before, it is cancelled, so that no two
//     hosts do the same work.
//  6. The verdict is the result, the plugin's failure, or the reason why none
//     came. The host never sends an attempt twice: what may have run is failed
//     and left to the workflow's retry policy.
package bridge
