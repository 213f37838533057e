package shipper

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const lockRetry = 50 * time.Millisecond

// lockDir waits until no other process holds the folder. unlock is nil when quit was closed before that. The kernel
// frees the lock when its holder dies.
func lockDir(dir string, quit <-chan struct{}) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock state folder of the log shipper: %w", err)
	}
	timer := time.NewTicker(lockRetry)
	defer timer.Stop()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock state folder %s of the log shipper: %w", dir, err)
		}
		select {
		case <-quit:
			f.Close()
			return nil, nil
		case <-timer.C:
		}
	}
}
