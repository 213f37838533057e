package store

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	knownName = "known.json"
	// quietTime is how long a file must have been unchanged when it was read for
	// its times to tell it from a later content: the clock of a file system is
	// coarse, so that two writes in a row may leave the same time.
	quietTime = 2 * time.Second
)

// known remembers which content the files had that were added, so that a start
// does not read every plugin again. A file counts as unchanged while it is the
// same inode with the same size, modification and change time; the change time
// cannot be set back. What is remembered is only a saving: when it cannot be
// read or written, files are hashed.
type known struct {
	path string

	mu    sync.Mutex
	files map[string]knownFile
}

// knownFile ties a source file to the stored copy of its content.
type knownFile struct {
	Digest string    `json:"digest"`
	Source fileState `json:"source"`
	Stored fileState `json:"stored"`
}

// fileState tells one content of a file from another.
type fileState struct {
	Device   uint64 `json:"device"`
	Inode    uint64 `json:"inode"`
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"` // nanoseconds since 1970
	Changed  int64  `json:"changed"`
}

func stateOf(info fs.FileInfo) fileState {
	change := Changed(info)
	s := fileState{Size: info.Size(), Modified: info.ModTime().UnixNano(), Changed: change.Nano()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.Device, s.Inode = uint64(st.Dev), st.Ino //nolint:unconvert // the type differs between systems
	}
	return s
}

// quiet says whether the file had not been changed for a while at the time.
func (s fileState) quiet(at time.Time) bool { return s.Changed < at.Add(-quietTime).UnixNano() }

func loadKnown(dir string) *known {
	k := &known{path: filepath.Join(dir, knownName), files: map[string]knownFile{}}
	if data, err := os.ReadFile(k.path); err == nil && json.Unmarshal(data, &k.files) != nil {
		k.files = map[string]knownFile{}
	}
	if k.files == nil { // the file held null
		k.files = map[string]knownFile{}
	}
	return k
}

// digest returns the digest that path's content had when it was last read, if
// neither the file nor its stored copy, which stored finds, has changed since.
func (k *known) digest(path string, info fs.FileInfo, stored func(digest string) string) (string, bool) {
	k.mu.Lock()
	f, ok := k.files[path]
	k.mu.Unlock()
	if !ok || f.Source != stateOf(info) || !validDigest(f.Digest) {
		return "", false
	}
	copied, err := os.Lstat(stored(f.Digest))
	if err != nil || f.Stored != stateOf(copied) {
		return "", false
	}
	return f.Digest, true
}

// remember notes what was read at the time began, unless a change right after
// could not be told from it.
func (k *known) remember(path, digest string, source fs.FileInfo, stored string, began time.Time) {
	copied, err := os.Lstat(stored)
	if err != nil {
		return
	}
	f := knownFile{Digest: digest, Source: stateOf(source), Stored: stateOf(copied)}
	if !f.Source.quiet(began) || !f.Stored.quiet(began) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.files[path] = f
	for p := range k.files {
		if _, err := os.Lstat(p); err != nil {
			delete(k.files, p)
		}
	}
	_ = writeJSON(k.path, k.files) // the next start hashes again
}
