package discover

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/orch-host/orch/hostcore/store"
)

// Candidate is a file in the plugin folder.
type Candidate struct {
	Path    string // absolute
	Group   string // name of the subfolder, empty directly in the plugin folder
	Size    int64  // in bytes
	ModTime time.Time
	Problem error // why it cannot be a plugin; nil if it may be one
}

// Scan returns the files of the plugin folder in the order of their paths, those
// that cannot run with their Problem. Hidden and unfinished files (.x, x~,
// x.tmp) are left out, and so are files that nobody would take for a plugin:
// those without any execute permission that end in .md, .txt, .toml, .lock, ...
//
// The error says that the folder itself cannot be used; a missing one is
// reported with fs.ErrNotExist.
func Scan(dir string) ([]Candidate, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("scan plugin folder: %w", err)
	}
	if err := store.CheckDir(dir); err != nil {
		return nil, fmt.Errorf("scan plugin folder: %w", err)
	}
	return scanFolder(dir, "")
}

func scanFolder(dir, group string) ([]Candidate, error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("scan plugin folder: %w", err)
	}
	var list []Candidate
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if store.IgnoredName(e.Name()) {
			continue
		}
		info, err := os.Stat(path) // through symbolic links
		switch {
		case errors.Is(err, fs.ErrNotExist) && e.Type()&fs.ModeSymlink == 0:
			continue // gone since it was listed
		case err != nil:
			list = append(list, Candidate{Path: path, Group: group, Problem: brokenLink(path, err)})
		case info.IsDir() && group == "":
			list = append(list, scanGroup(path, e.Name())...)
		case info.IsDir():
			continue
		case isCompanion(e.Name(), info):
			continue
		default:
			list = append(list, Candidate{
				Path: path, Group: group, Size: info.Size(), ModTime: info.ModTime(),
				Problem: store.Check(path),
			})
		}
	}
	return list, nil
}

// scanGroup scans one subfolder. What is wrong with it concerns its files only.
func scanGroup(path, name string) []Candidate {
	if err := store.CheckDir(path); err != nil {
		return []Candidate{{Path: path, Group: name, Problem: err}}
	}
	list, err := scanFolder(path, name)
	if err != nil {
		return []Candidate{{Path: path, Group: name, Problem: err}}
	}
	return list
}

func brokenLink(path string, err error) error {
	if target, linkErr := os.Readlink(path); linkErr == nil {
		return fmt.Errorf("the symbolic link to %s cannot be followed: %w", target, err)
	}
	return fmt.Errorf("look at plugin file: %w", err)
}

// isCompanion says whether a file only accompanies plugins: no one can execute
// it and its name says what it is.
func isCompanion(name string, info fs.FileInfo) bool {
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 != 0 {
		return false
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".md", ".txt", ".toml", ".json", ".yaml", ".yml", ".lock", ".sig", ".minisig", ".asc", ".sha256", ".pub", ".log":
		return true
	}
	return name == "README" || name == "LICENSE"
}
