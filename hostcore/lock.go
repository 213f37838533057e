package hostcore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lockTime is how long a start waits for the lock: the system ends a process
// that was killed, and restarted at once, only moments later.
const lockTime = 2 * time.Second

// lockState makes sure that one host uses a state folder. The lock goes with
// the process, however that ends.
func lockState(dir string) (*os.File, error) {
	path := filepath.Join(dir, "host.lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the state folder: %w", err)
	}
	if err := lockFile(f); err != nil {
		holder, _ := os.ReadFile(path) // only for the message
		_ = f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock the state folder: %w", &os.PathError{Op: "flock", Path: path, Err: err})
		}
		return nil, fmt.Errorf("another host (pid %s) already uses the state folder %s: stop it, or give this one its own with --state-dir and --runtime-dir",
			strings.TrimSpace(string(holder)), dir)
	}
	if err := f.Truncate(0); err == nil {
		_, _ = fmt.Fprintf(f, "%d\n", os.Getpid()) // for people; the lock itself is what counts
	}
	return f, nil
}

// lockFile tries for lockTime.
func lockFile(f *os.File) error {
	for end := time.Now().Add(lockTime); ; time.Sleep(50 * time.Millisecond) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) || time.Now().After(end) {
			return err
		}
	}
}
