package database

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// LockedError says that another process serves the database already.
type LockedError struct {
	// Path is the database, Pid its holder; 0 when the holder did not say.
	Path string
	Pid  int
	// Address and UI say where the holder serves; empty while it starts or stops.
	Address, UI string
}

func (e *LockedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "database %s is in use by ", e.Path)
	if e.Pid > 0 {
		fmt.Fprintf(&b, "process %d", e.Pid)
	} else {
		b.WriteString("another process")
	}
	if e.Address != "" {
		fmt.Fprintf(&b, ", which serves it at %s", e.Address)
	}
	b.WriteString("; connect to that one, stop it, or give another database with --db")
	return b.String()
}

// Lock is the right to open one database. The kernel drops it when the process
// ends, however it ends, so a stale lock cannot exist.
type Lock struct{ file *os.File }

// lockPatience covers the moment in which somebody only tests the lock.
const (
	lockPatience = 300 * time.Millisecond
	lockPause    = 10 * time.Millisecond
)

// Acquire takes the lock of the database at path. It returns a *LockedError
// when another process holds it.
func Acquire(path string) (*Lock, error) {
	name := path + ".lock"
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock file of the database: %w", err)
	}
	if err := flock(f); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s (does this file system support flock?): %w", name, err)
		}
		held := &LockedError{Path: path, Pid: readPid(f)}
		if a, err := ReadAddress(path); err == nil {
			held.Address, held.UI = a.Frontend, a.UI
		}
		return nil, held
	}
	if err := writePid(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("write the pid into %s: %w", name, err)
	}
	return &Lock{file: f}, nil
}

func flock(f *os.File) error {
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(lockPause) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(deadline) {
			return err
		}
	}
}

// Release gives the lock up. The file stays: removing it would let two
// processes hold locks on two different files of the same name.
func (l *Lock) Release() error { return l.file.Close() }

func writePid(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

func readPid(f *os.File) int {
	raw, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		return 0
	}
	return pid
}
