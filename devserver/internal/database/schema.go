package database

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	sqliteschema "go.temporal.io/server/schema/sqlite"
	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// StaleLogError says that there is no database but a write-ahead log of one.
// SQLite would replay it into a new file and produce a server that accepts
// work and never does it.
type StaleLogError struct{ Path, Leftover string }

func (e *StaleLogError) Error() string {
	return fmt.Sprintf("there is no database %s but the write-ahead log of a former one, %s: "+
		"put the database back beside it, or remove the leftovers with: rm -f %s-wal %s-shm",
		e.Path, e.Leftover, e.Path, e.Path)
}

// checkLeftovers refuses a new database beside the log of an old one.
func checkLeftovers(path string) error {
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		if _, err := os.Lstat(path + suffix); err == nil {
			return &StaleLogError{Path: path, Leftover: path + suffix}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("look for leftovers of an old database: %w", err)
		}
	}
	return nil
}

// createSchema makes a complete database under another name and renames it, so
// that a crash in between leaves nothing that looks like a database.
func createSchema(path string) error {
	aside := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".creating")
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(aside + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("clear an unfinished database: %w", err)
		}
	}
	if err := buildSchema(aside); err != nil {
		return fmt.Errorf("create the database schema: %w", err)
	}
	if err := syncFile(aside); err != nil {
		return fmt.Errorf("create the database schema: %w", err)
	}
	if err := os.Chmod(aside, 0o600); err != nil {
		return fmt.Errorf("create the database schema: %w", err)
	}
	return renameDurably(aside, path)
}

func buildSchema(path string) error {
	// One transaction, no journal: a crash discards the file as a whole.
	db, err := open(path, "rwc", "journal_mode(off)", "synchronous(off)")
	if err != nil {
		return err
	}
	defer db.Close()
	return inTransaction(db, func(tx *sql.Tx) error {
		return sqliteschema.SetupSchemaOnDB(schemaTarget{tx: tx})
	})
}

// tablesEqual reports whether the database at path has exactly the tables and
// indexes that this server would create.
func tablesEqual(path string) (bool, error) {
	have, err := open(path, "ro")
	if err != nil {
		return false, err
	}
	defer have.Close()
	want, err := open(":memory:", "memory")
	if err != nil {
		return false, err
	}
	defer want.Close()
	var a, b []string
	if err := inTransaction(want, func(tx *sql.Tx) error {
		if err := sqliteschema.SetupSchemaOnDB(schemaTarget{tx: tx}); err != nil {
			return err
		}
		b, err = tables(tx)
		return err
	}); err != nil {
		return false, err
	}
	if err := inTransaction(have, func(tx *sql.Tx) error {
		a, err = tables(tx)
		return err
	}); err != nil {
		return false, err
	}
	return slices.Equal(a, b), nil
}

func tables(tx *sql.Tx) ([]string, error) {
	rows, err := tx.Query("SELECT type, name, coalesce(sql, '') FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var kind, name, text string
		if err := rows.Scan(&kind, &name, &text); err != nil {
			return nil, err
		}
		// Statement text is compared without its layout and comments' spacing.
		out = append(out, kind+" "+name+" "+strings.Join(strings.Fields(text), " "))
	}
	return out, rows.Err()
}

// schemaTarget lets the server's own schema code write through our transaction:
// its connection pool never closes a file, which a rename must not suffer.
type schemaTarget struct {
	sqlplugin.AdminDB
	tx *sql.Tx
}

func (t schemaTarget) Exec(stmt string, args ...any) error {
	_, err := t.tx.Exec(stmt, args...)
	return err
}

func open(path, mode string, pragmas ...string) (*sql.DB, error) {
	query := url.Values{"mode": {mode}, "_pragma": pragmas}
	db, err := sql.Open("sqlite", "file:"+path+"?"+query.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

func inTransaction(db *sql.DB, fn func(*sql.Tx) error) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
