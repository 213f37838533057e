package shipper

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// DeadLetter is one line of the dead-letter file: a record that was read but is not with the receiver.
type DeadLetter struct {
	Time   time.Time `json:"time"`
	Reason string    `json:"reason"`
	Detail string    `json:"detail,omitempty"` // what the receiver said
	File   string    `json:"file,omitempty"`
	Offset int64     `json:"offset"` // of the record in the file
	Body   string    `json:"body,omitempty"`
	// Records is set when the receiver dropped records of a request without saying which.
	Records int64 `json:"records,omitempty"`
}

// setAside is a record that the tailer decided not to send.
type setAside struct {
	reason string
	path   string
	offset int64
	body   string
}

// DeadLetterFile is the name of the dead-letter file in the state folder; the one before it has ".1" at its end.
const DeadLetterFile = "dead-letters.jsonl"

type deadLetters struct {
	mu   sync.Mutex
	path string
	max  int64
	buf  []byte
}

// write appends and syncs letters. An error means that none of them may be regarded as kept.
func (d *deadLetters) write(letters []DeadLetter) (err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.buf = d.buf[:0]
	for i := range letters {
		line, err := json.Marshal(&letters[i])
		if err != nil {
			return fmt.Errorf("encode dead letter: %w", err)
		}
		d.buf = append(append(d.buf, line...), '\n')
	}
	if st, err := os.Stat(d.path); err == nil && st.Size()+int64(len(d.buf)) > d.max {
		if err := os.Rename(d.path, d.path+".1"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("rotate dead letters: %w", err)
		}
	}
	_, missing := os.Lstat(d.path)
	f, err := os.OpenFile(d.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open dead letters: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if torn(f) {
		d.buf = append([]byte{'\n'}, d.buf...)
	}
	if _, err := f.Write(d.buf); err != nil {
		return fmt.Errorf("write dead letters to %s: %w", d.path, err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync dead letters %s: %w", d.path, err)
	}
	if missing != nil {
		return syncDir(filepath.Dir(d.path))
	}
	return nil
}

// torn says whether the last line was not written whole: the disk was full, or the process died.
func torn(f *os.File) bool {
	st, err := f.Stat()
	if err != nil || st.Size() == 0 {
		return false
	}
	var last [1]byte
	_, err = f.ReadAt(last[:], st.Size()-1)
	return err == nil && last[0] != '\n'
}
