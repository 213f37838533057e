// Command swap measures hot swaps of a plugin under load, with the built host
// and its embedded Temporal server, and what many plugins cost a host.
package main
