package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Reasons a file is refused. A *RefusedError wraps one of them.
var (
	ErrIgnoredName = errors.New("its name says that it is hidden or unfinished")
	ErrNotRegular  = errors.New("it is not a regular file")
	ErrEmpty       = errors.New("it is empty")
	ErrNotExec     = errors.New("it is not executable")
	ErrWritable    = errors.New("others can write to it")
	ErrForeign     = errors.New("it belongs to another user")
	ErrUnstable    = errors.New("it is still being written")
)

// RefusedError names the file that was refused and how to mend that.
type RefusedError struct {
	Path string
	Fix  string // a command or a sentence, may be empty
	Err  error
}

func (e *RefusedError) Error() string {
	msg := fmt.Sprintf("refused %s: %v", e.Path, e.Err)
	if e.Fix != "" {
		msg += "; " + e.Fix
	}
	return msg
}

// Unwrap returns the reason.
func (e *RefusedError) Unwrap() error { return e.Err }

// IgnoredName says whether a file of this name is hidden (.name), a backup
// (name~) or somebody's unfinished copy (*.tmp, *.part, *.swp, ...).
func IgnoredName(name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "#") || strings.HasSuffix(name, "~") {
		return true
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".tmp", ".temp", ".part", ".partial", ".crdownload", ".swp", ".bak", ".orig", ".rej":
		return true
	}
	return false
}

// Check says whether the file may be taken in, by its name, kind, owner and
// mode and by those of its folder; it does not read it. A symbolic link is
// judged by what it points to, and by both folders. The error is a
// *RefusedError, or the file system's.
func Check(path string) error {
	_, err := check(path)
	return err
}

func check(path string) (fs.FileInfo, error) {
	if IgnoredName(filepath.Base(path)) {
		return nil, &RefusedError{Path: path, Err: ErrIgnoredName}
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("look at plugin file: %w", err)
	}
	if err := checkInfo(path, info); err != nil {
		return nil, err
	}
	dirs := []string{filepath.Dir(path)}
	if real, err := filepath.EvalSymlinks(path); err == nil && filepath.Dir(real) != dirs[0] {
		dirs = append(dirs, filepath.Dir(real))
	}
	for _, dir := range dirs {
		if err := CheckDir(dir); err != nil {
			return nil, err
		}
	}
	return info, nil
}

func checkInfo(path string, info fs.FileInfo) error {
	switch {
	case !info.Mode().IsRegular():
		return &RefusedError{Path: path, Err: fmt.Errorf("%w (%s)", ErrNotRegular, info.Mode().Type())}
	case info.Size() == 0:
		return &RefusedError{Path: path, Err: ErrEmpty}
	case info.Mode().Perm()&0o111 == 0:
		return &RefusedError{Path: path, Err: ErrNotExec, Fix: "chmod +x " + path}
	}
	return checkAccess(path, info)
}

// CheckDir says whether a folder may hold plugins: owned by this user or root
// and not writable by others, since whoever can write to the folder can put
// another file in a plugin's place.
func CheckDir(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("look at plugin folder: %w", err)
	}
	if !info.IsDir() {
		return &RefusedError{Path: dir, Err: errors.New("it is not a folder")}
	}
	return checkAccess(dir, info)
}

func checkAccess(path string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o022 != 0 {
		return &RefusedError{
			Path: path, Fix: "chmod go-w " + path,
			Err: fmt.Errorf("%w (mode %s)", ErrWritable, info.Mode().Perm()),
		}
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return &RefusedError{
			Path: path, Fix: fmt.Sprintf("chown %d %s", os.Geteuid(), path),
			Err: fmt.Errorf("%w (uid %d, the host is %d)", ErrForeign, st.Uid, os.Geteuid()),
		}
	}
	return nil
}
