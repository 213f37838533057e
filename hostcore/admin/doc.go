// Package admin is how people and tools on this machine talk to a running host:
// JSON over HTTP on a unix socket in the host's runtime folder (mode 0600), and
// the read-only health and metrics pages on its TCP address.
//
// The socket is for the user that runs the host: whoever may open it may reload
// and roll back plugins. The TCP pages change nothing, and answer over plain HTTP to
// the machine's own names only.
package admin
