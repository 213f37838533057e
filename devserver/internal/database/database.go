package database

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	temporalsql "go.temporal.io/server/common/persistence/sql"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/resolver"
)

// Database is a checked database file whose lock this process holds.
type Database struct {
	path, version string
	config        *config.SQL
	created       bool
	clean         bool
}

// Open checks the database at path for a server of the given version, creates
// it when there is none, and marks it in use. The caller holds its Lock.
func Open(path, version string) (*Database, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	d := &Database{path: path, version: version, config: serverConfig(path)}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := checkLeftovers(path); err != nil {
			return nil, err
		}
		if err := createSchema(path); err != nil {
			return nil, err
		}
		d.created, d.clean = true, true
	case err != nil:
		return nil, fmt.Errorf("look for the database: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("database %s is not a regular file; give another path with --db", path)
	default:
		r, known, err := readRecord(path)
		if err != nil {
			return nil, err
		}
		if err := checkVersion(path, version, r, known, func() (bool, error) { return tablesEqual(path) }); err != nil {
			return nil, err
		}
		d.clean = known && r.Clean
	}
	Retract(path) // of a holder that was killed
	return d, writeRecord(path, record{Server: version})
}

// checkPath refuses names that SQLite would read as something else.
func checkPath(path string) error {
	if strings.ContainsAny(path, "?#%") {
		return fmt.Errorf("database path %q holds one of ? # %%, which SQLite reads as options; give another path with --db", path)
	}
	if dir, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("look for the database's folder: %w", err)
	} else if !dir.IsDir() {
		return fmt.Errorf("the database's folder %s is not a folder", filepath.Dir(path))
	}
	return nil
}

// serverConfig is how the server opens the file. Write-ahead logging with
// synchronous=normal halves the CPU per workflow and loses no committed
// transaction when a process is killed; more than one connection is 3 to 4
// times slower, because SQLite then answers "busy" and the server retries.
func serverConfig(path string) *config.SQL {
	return &config.SQL{
		PluginName:   sqliteplugin.PluginName,
		DatabaseName: path,
		ConnectAttributes: map[string]string{
			"mode":         "rw",
			"journal_mode": "wal",
			"synchronous":  "normal",
			"busy_timeout": "10000",
		},
		MaxConns:     1,
		MaxIdleConns: 1,
	}
}

// Config is the server's persistence configuration for this file.
func (d *Database) Config() *config.SQL { return d.config }

// Path is the database file.
func (d *Database) Path() string { return d.path }

// Suspect reports whether the last server did not stop in order, so that the
// database must prove itself before it is trusted.
func (d *Database) Suspect() bool { return !d.clean }

// Created reports whether Open made the file.
func (d *Database) Created() bool { return d.created }

// Close ends the use of the database after the server has stopped: it moves
// the write-ahead log into the file, so that the file alone is a complete copy,
// and records the clean stop.
func (d *Database) Close() error {
	if err := d.foldLog(); err != nil {
		return fmt.Errorf("fold the write-ahead log into %s: %w", d.path, err)
	}
	return writeRecord(d.path, record{Server: d.version, Clean: true})
}

// foldLog runs on the server's own single connection, which stays open for the
// life of the process: leaving WAL mode needs the file to itself.
func (d *Database) foldLog() error {
	db, err := temporalsql.NewSQLAdminDB(sqlplugin.DbKindUnknown, d.config, resolver.NewNoopResolver(),
		log.NewNoopLogger(), metrics.NoopMetricsHandler)
	if err != nil {
		return err
	}
	return errors.Join(db.Exec("PRAGMA journal_mode=delete"), db.Close())
}
