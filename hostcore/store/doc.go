// Package store keeps the plugin binaries that may run, each under the digest of
// its content:
//
//	<dir>/<sha256>/bin            the binary, mode 0555
//	<dir>/<sha256>/manifest.json  what it said about itself, when it was asked
//	<dir>/<sha256>/origin.json    where it came from
//	<dir>/known.json              which content the added files had, by their inode's times
//
// A file is hashed while it is copied, and the copy is what runs: nobody can
// exchange it between the check and the execution, a half-finished copy over the
// original harms nothing, and the version before is still there to roll back to.
//
// Lifecycle of an entry: Add copies a file in, or finds that its content is
// already here and hashes that copy again (Verify), unless file and copy are
// known to be unchanged; SaveManifest and Manifest cache its description, and
// Collect removes the entries that nobody has used for a while: the modification
// time of an entry's folder is when it was used last. What runs is not hashed once more
// before each start: nobody but the host's user can write to the folder.
//
// Invariants:
//
//   - An entry appears complete and synced, by one rename, or not at all; adding
//     the same content from several goroutines or hosts at once is safe.
//   - Only regular files owned by this user or root, which no one else can write
//     to, in a folder of the same kind, are taken in.
//   - A file that changes while it is copied is refused with ErrUnstable.
//   - The folder is private (0700); an entry is never changed, only removed.
package store
