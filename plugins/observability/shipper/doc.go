// Package shipper tails log files and sends every line to an OTLP/HTTP receiver, at least once and in bounded memory.
//
// # Parts
//
//	watch ──wake──> tailer ──batches──> senders ──acknowledged──> committer ──> checkpoint
//	(inotify)       (one goroutine:     (N goroutines:            (in order     (two slots,
//	                 stat, read, split,  compress, POST, retry)    of reading)   fsync'ed)
//	                 parse, encode)
//
// One goroutine owns every file. Records are encoded as they are read, so a line is copied once. A fixed set of batches
// circulates between the tailer and the senders: when the receiver is slow or down no batch is free, reading pauses, and
// memory stays where it was. While reading pauses, rotations are still noticed and the rotated files are held.
//
// # Lifecycle
//
//  1. New checks the options. Nothing is opened.
//  2. Start locks the state folder. While another process holds it (the version before, which is draining) the shipper
//     is on standby; then it loads the checkpoint and begins. Start itself does not wait.
//  3. AddFiles and RemoveFiles may be called at any time, before Start too. A removed file is read to where it ended
//     at that moment; its offset is kept, so adding it again goes on from there.
//  4. Stop ends reading, sends what was read, writes the last checkpoint and gives up the lock.
//
// # Invariants
//
//   - An offset enters the checkpoint only when every line before it, in its file, was acknowledged by the receiver or
//     written to the dead-letter file. A crash therefore repeats what was acknowledged since the last checkpoint, and
//     loses nothing.
//   - A file is known by device, inode, creation time (where the file system has one) and a hash of its first KB. Each
//     offset also carries a hash of the 256 bytes before it, and each read fetches those bytes again in the same system
//     call: a file that was truncated and has grown past the offset, or an inode that was used again, cannot be mistaken
//     for the file that was being read.
//   - A rotated file is read to its end before it is let go. Its descriptor is kept while it is read; after a crash it is
//     found by inode in its folder. When a file was truncated, its copy (copytruncate) is found by those same hashes and
//     read on from where reading had come to.
//   - The one rotation that can cost lines: a file that is copied and truncated (copytruncate) under a writer that does not
//     append. Such a writer goes on behind a hole, so that the file and its copies begin with NUL bytes, all alike, and which
//     of them was read cannot be told. Lines can be lost with a single truncation, when a look falls into the copy, and
//     with two of them between two looks; a lone copy may be read twice. A writer in append mode leaves no
//     hole, and rotation by renaming (logrotate's create) makes no copy: either is the remedy.
//   - No goroutine and no descriptor is held per file; an idle file costs one stat per sweep.
package shipper
