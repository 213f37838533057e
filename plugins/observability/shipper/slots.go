package shipper

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// slots keeps the checkpoint in two files that are overwritten in turn, so that one of them is whole at any moment.
// Overwriting needs no new blocks on most file systems: a full disk does not stop checkpoints that have their size.
type slots struct {
	dir   string
	seq   uint64
	next  int // the slot to write: never the one that holds the newest whole checkpoint
	buf   []byte
	write atomic.Pointer[func(path string, fill filler) error] // replaced by tests; nil is writeSlot
}

// filler writes a checkpoint and says how long it is.
type filler func(w io.WriterAt) (size int64, err error)

func (s *slots) path(i int) string {
	return filepath.Join(s.dir, [...]string{"checkpoint-a", "checkpoint-b"}[i])
}

// load reads the newest whole checkpoint. notes says in words what was damaged; err is returned only when a slot exists
// that cannot be read or that only newer code can read, because starting without it would send everything again.
func (s *slots) load() (entries []entry, notes []string, err error) {
	best := -1
	var header checkpointHeader
	for i := range 2 {
		b, err := os.ReadFile(s.path(i))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read checkpoint: %w", err)
		}
		h, es, err := decodeCheckpoint(b)
		if err != nil && h.MinReader > checkpointVersion {
			return nil, nil, fmt.Errorf("checkpoint %s %w", s.path(i), err)
		}
		if err != nil {
			notes = append(notes, fmt.Sprintf("checkpoint %s is damaged: %v", s.path(i), err))
			keep := s.path(i) + ".damaged"
			if os.WriteFile(keep, b, 0o600) == nil {
				notes = append(notes, "a copy is kept as "+keep)
			}
			continue
		}
		if best < 0 || h.Seq > header.Seq {
			best, header, entries = i, h, es
		}
	}
	switch {
	case best >= 0 && len(notes) > 0:
		notes = append(notes, fmt.Sprintf("resuming from %s, saved %s", s.path(best), header.Saved.Format(time.RFC3339Nano)))
	case len(notes) > 0:
		notes = append(notes, "no checkpoint is left: files are read from their beginning, lines will arrive again")
	}
	if best >= 0 {
		s.seq, s.next = header.Seq, 1-best
	}
	return entries, notes, nil
}

// save writes and syncs a checkpoint. On failure the other slot still holds the one before.
func (s *slots) save(entries []entry, now time.Time) error {
	if s.buf == nil {
		s.buf = make([]byte, 0, checkpointPiece+4096)
	}
	fill := func(w io.WriterAt) (int64, error) { return writeCheckpoint(w, s.buf, s.seq+1, now, entries) }
	write := writeSlot
	if w := s.write.Load(); w != nil {
		write = *w
	}
	if err := write(s.path(s.next), fill); err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	s.seq++
	s.next = 1 - s.next
	return nil
}

// writeSlot overwrites a file in place and syncs it; its folder too when the file is new.
func writeSlot(path string, fill filler) (err error) {
	_, missing := os.Lstat(path)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := fill(f)
	if err != nil {
		return err
	}
	if st, err := f.Stat(); err == nil && st.Size() > 4*size+1<<16 {
		if err := f.Truncate(2 * size); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if missing != nil {
		return syncDir(filepath.Dir(path))
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
