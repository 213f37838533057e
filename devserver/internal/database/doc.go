// Package database owns the SQLite file of the embedded server: who may open
// it, which server version it belongs to, and how it comes into being.
//
// Files, all beside each other (db is the path given by --db):
//
//	db            the SQLite database
//	db-wal, -shm  SQLite's write-ahead log, present while a server runs and
//	              after a crash; belongs to exactly this db
//	db.lock       flock'ed by the serving process, holds its pid
//	db.version    the server version that wrote db last, and whether it stopped
//	              cleanly
//	db.addr       where the serving process can be reached; gone when it stops
//
// Lifecycle: Acquire takes the lock; Open checks the leftovers and the version,
// creates the schema aside and renames it into place, and marks the database
// in use; EnsureNamespaces writes the namespaces while no server runs; Publish
// announces the address; Retract, Checkpoint and MarkClean end it in reverse.
//
// Invariants: nothing but the lock and its pid is written before the lock is
// held. A db file that exists under its name always has a complete schema. A
// -wal file is never applied to a database it was not written for. A server
// never opens a database whose tables differ from the ones it expects.
package database
