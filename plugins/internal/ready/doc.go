// Package ready asks components whether they can be used, by their own
// protocols. A [Probe] asks once and quickly; its error says what the component
// answered. Who asks again, how often and how long, is the caller's business
// (container.Spec.Ready, [Poll]).
//
// An error that no later question can change, such as a refused password, is
// marked with sdk.NonRetryable; pollers stop at it.
package ready
