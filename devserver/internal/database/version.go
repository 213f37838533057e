package database

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/blang/semver/v4"
)

// record is the content of the version file.
type record struct {
	// Server is the version of the Temporal server that opened the database last.
	Server string `json:"server"`
	// Clean is true after an orderly stop and false while a server runs.
	Clean bool `json:"clean_shutdown"`
}

// VersionError says that this server must not open the database.
type VersionError struct {
	// Path is the database; Have the version that wrote it last, empty when
	// unknown; Want the version of this server.
	Path, Have, Want string
	// Reason is one clause, for people.
	Reason string
}

func (e *VersionError) Error() string {
	have := e.Have
	if have == "" {
		have = "unknown version"
	}
	return fmt.Sprintf("database %s was written by Temporal server %s and this is %s: %s; "+
		"either run the devserver build it was written with, "+
		"or keep its history aside and start a new database (with no server running: "+
		"mkdir %s.old && mv %s %s-* %s.version %s.old/)",
		e.Path, have, e.Want, e.Reason, e.Path, e.Path, e.Path, e.Path, e.Path)
}

func readRecord(path string) (record, bool, error) {
	var r record
	raw, err := os.ReadFile(path + ".version")
	if errors.Is(err, fs.ErrNotExist) {
		return r, false, nil
	}
	if err != nil {
		return r, false, fmt.Errorf("read the database's version: %w", err)
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, false, fmt.Errorf("read %s.version: %w; remove that file to have the tables checked instead", path, err)
	}
	return r, true, nil
}

func writeRecord(path string, r record) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := replaceFile(path+".version", append(raw, '\n')); err != nil {
		return fmt.Errorf("record the database's version: %w", err)
	}
	return nil
}

// transition is what a pair of versions asks for.
type transition int

const (
	sameLine  transition = iota // same major.minor: nothing to check
	upgrade                     // newer server: allowed when the tables are equal
	downgrade                   // older server: never
)

// classify compares the version that wrote a database with the server's own.
// Within one major.minor Temporal keeps its storage readable both ways; an
// older minor may meet records it does not know.
func classify(have, want string) (transition, error) {
	h, err := semver.Parse(have)
	if err != nil {
		return 0, fmt.Errorf("parse version %q: %w", have, err)
	}
	w, err := semver.Parse(want)
	if err != nil {
		return 0, fmt.Errorf("parse version %q: %w", want, err)
	}
	h.Patch, w.Patch, h.Pre, w.Pre, h.Build, w.Build = 0, 0, nil, nil, nil, nil
	switch h.Compare(w) {
	case 0:
		return sameLine, nil
	case -1:
		return upgrade, nil
	default:
		return downgrade, nil
	}
}

// checkVersion decides whether a server of version want may open the database,
// given what its version file says (known is false when there is none).
// tablesEqual compares the database's tables with the server's own.
func checkVersion(path, want string, r record, known bool, tablesEqual func() (bool, error)) error {
	step := upgrade // a database of unknown origin is judged by its tables
	if known {
		var err error
		if step, err = classify(r.Server, want); err != nil {
			return err
		}
	}
	switch step {
	case sameLine:
		return nil
	case downgrade:
		return &VersionError{Path: path, Have: r.Server, Want: want,
			Reason: "an older server cannot read what a newer one may have stored"}
	}
	equal, err := tablesEqual()
	if err != nil {
		return fmt.Errorf("compare the tables of %s with those of server %s: %w", path, want, err)
	}
	if !equal {
		return &VersionError{Path: path, Have: r.Server, Want: want,
			Reason: "the tables differ, and Temporal offers no migration for SQLite"}
	}
	return nil
}
