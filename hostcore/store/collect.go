package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// used notes that an entry is used now, as the modification time of its folder;
// false when it is not there any more. What was noted stays until it has not been
// used for a while again.
func (s *Store) used(digest string) bool {
	defer s.lock(unix.LOCK_SH)()
	now := time.Now()
	err := os.Chtimes(filepath.Join(s.dir, digest), now, now)
	return !errors.Is(err, os.ErrNotExist)
}

// lock keeps a note of use and a removal, of whichever process, apart. Where it
// cannot be had they may meet, which costs a start of the plugin.
func (s *Store) lock(how int) (unlock func()) {
	dir, err := os.Open(s.dir)
	if err != nil {
		return func() {}
	}
	for errors.Is(unix.Flock(int(dir.Fd()), how), unix.EINTR) {
	}
	return func() { _ = dir.Close() } // and with it the lock
}

// Collect removes the entries that were not used for the time given, and returns
// what it removed. Use is what Add returns, and what is in keep now. A process
// that runs from a removed binary goes on. It may run beside Add: an entry that
// Add returns stays.
func (s *Store) Collect(keep []string, unused time.Duration) ([]Entry, error) {
	for _, digest := range keep {
		if validDigest(digest) {
			s.used(digest)
		}
	}
	list, err := s.List()
	if err != nil {
		return nil, err
	}
	var removed []Entry
	var errs []error
	for _, e := range list {
		if slices.Contains(keep, e.Digest) {
			continue
		}
		gone, err := s.remove(e, unused)
		if err != nil {
			errs = append(errs, fmt.Errorf("remove %s from the plugin store: %w", e.Digest, err))
		}
		if gone {
			removed = append(removed, e)
		}
	}
	return removed, errors.Join(errs...)
}

// remove takes an entry away unless it was used lately.
func (s *Store) remove(e Entry, unused time.Duration) (bool, error) {
	aside := fmt.Sprintf("%s%s-%d", filepath.Join(s.dir, stagePrefix), e.Digest[:12], time.Now().UnixNano())
	moved, err := s.setAside(filepath.Dir(e.Path), aside, unused)
	if err != nil || !moved {
		return false, err
	}
	return true, os.RemoveAll(aside) // what is left, Open removes
}

func (s *Store) setAside(dir, aside string, unused time.Duration) (bool, error) {
	defer s.lock(unix.LOCK_EX)()
	info, err := os.Stat(dir)
	if err != nil || time.Since(info.ModTime()) <= unused {
		return false, err
	}
	err = os.Rename(dir, aside)
	return err == nil, err
}
