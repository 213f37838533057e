// Package pluginlog keeps the latest log records of each plugin in memory: what
// its processes print, what its activities log and what the host says of it.
// "host plugin logs" reads them.
//
// A Book stands in front of the host's log handler and copies every record that
// has a "plugin" attribute. Where the attribute is the logger's (With), it does so
// whatever level the handler itself lets through; one that comes with the record
// is seen only after the level was.
//
// Invariants: a plugin has at most MaxLines records of at most MaxBytes
// together, the oldest are dropped first; at most MaxPlugins names are kept, the
// one that has been silent longest goes first. Writing never waits for a reader.
package pluginlog
