// Package executor starts, watches and stops services through Temporal. It
// needs no host on this machine: any client of the cluster can use it.
//
// One execution per service: the workflow id is fixed (<service>_1), so a start
// while one runs is refused with where to look at it. A start on a queue that
// nobody polls is refused too, instead of waiting in silence. Stop cancels, so
// that activities clean up, and terminates what is left after the grace.
package executor
