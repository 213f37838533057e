// Package load puts a running host under load and swaps one of its plugins
// meanwhile: the benchmark of swaps and the end-to-end test of the same promise
// share it.
//
//  1. Build compiles the plugin in the folder plugin once. Variant makes other
//     versions, names and behaviours of the binary by exchanging a text of fixed
//     length in it, so that each has a digest of its own without a build.
//  2. Run starts activities at a steady rate on the host's task queue, each with
//     a single attempt, so that whatever a swap breaks is a failed one. It swaps
//     while they run and checks every answer.
//  3. When all have ended it compares the host with what it was before: child
//     processes, socket folders, descriptors and goroutines.
package load
