package hostcore

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// lockState makes sure that one host uses a state folder. The lock goes with
// the process, however that ends.
func lockState(dir string) (*os.File, error) {
	path := filepath.Join(dir, "host.lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the state folder: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(path) // only for the message
		_ = f.Close()
		return nil, fmt.Errorf("another host (pid %s) already uses the state folder %s: stop it, or give this one its own with --state-dir and --runtime-dir",
			strings.TrimSpace(string(holder)), dir)
	}
	if err := f.Truncate(0); err == nil {
		_, _ = fmt.Fprintf(f, "%d\n", os.Getpid()) // for people; the lock itself is what counts
	}
	return f, nil
}
