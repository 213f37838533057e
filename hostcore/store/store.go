package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	binName      = "bin"
	manifestName = "manifest.json"
	originName   = "origin.json"
	stagePrefix  = "new-" // folders of entries that are being made
	stageMaxAge  = time.Hour
)

// ErrNotStored says that no entry has the digest.
var ErrNotStored = errors.New("no such binary in the plugin store")

// ErrCorrupt says that a stored binary no longer has the content of its digest.
var ErrCorrupt = errors.New("the stored binary was changed")

// Store is a folder of binaries. It may be shared by several goroutines and
// hosts.
type Store struct {
	dir   string
	known *known
}

// Entry is one stored binary.
type Entry struct {
	Digest string    `json:"digest"` // sha256 of the content, 64 lower-case hex digits
	Path   string    `json:"path"`   // the copy to execute
	Size   int64     `json:"size"`   // in bytes
	Source string    `json:"source"` // the file it was taken from first
	Added  time.Time `json:"added"`
}

// Open makes the folder where it is missing and removes what an interrupted Add
// left behind more than an hour ago.
func Open(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open plugin store: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make plugin store: %w", err)
	}
	if err := CheckDir(dir); err != nil {
		return nil, fmt.Errorf("open plugin store: %w", err)
	}
	s := &Store{dir: dir, known: loadKnown(dir)}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read plugin store: %w", err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), stagePrefix) {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > stageMaxAge {
			_ = os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
	return s, nil
}

// Dir is the store's folder.
func (s *Store) Dir() string { return s.dir }

// Add takes a file in and returns its entry. When the same content is already
// stored, that copy is verified and returned, or replaced when it was damaged;
// a file that has not changed since it was last taken in is not read again.
// A file that may not run is refused with a *RefusedError; one that changes
// while it is read, with ErrUnstable: try again when it has settled.
func (s *Store) Add(path string) (Entry, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return Entry{}, fmt.Errorf("add plugin to the store: %w", err)
	}
	info, err := settled(path)
	if err != nil {
		return Entry{}, err
	}
	binary := func(digest string) string { return filepath.Join(s.dir, digest, binName) }
	if digest, ok := s.known.digest(path, info, binary); ok && s.used(digest) {
		return s.Get(digest)
	}
	began := time.Now()
	stage, err := os.MkdirTemp(s.dir, stagePrefix)
	if err != nil {
		return Entry{}, fmt.Errorf("add %s to the plugin store: %w", path, err)
	}
	defer os.RemoveAll(stage)
	digest, err := copyHashed(path, filepath.Join(stage, binName), info)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{
		Digest: digest, Path: binary(digest),
		Size: info.Size(), Source: path, Added: time.Now().UTC(),
	}
	if err := writeJSON(filepath.Join(stage, originName), e); err != nil {
		return Entry{}, fmt.Errorf("add %s to the plugin store: %w", path, err)
	}
	if err := syncDir(stage); err != nil {
		return Entry{}, fmt.Errorf("add %s to the plugin store: %w", path, err)
	}
	if err := s.place(stage, digest); err != nil {
		return Entry{}, fmt.Errorf("add %s to the plugin store: %w", path, err)
	}
	s.known.remember(path, digest, info, binary(digest), began)
	return s.Get(digest)
}

// place moves a finished entry to its name. One that is there already stays if
// it is whole.
func (s *Store) place(stage, digest string) error {
	final := filepath.Join(s.dir, digest)
	for range 3 {
		err := os.Rename(stage, final)
		if err == nil {
			return syncDir(s.dir)
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		if s.Verify(digest) == nil && s.used(digest) {
			return nil
		}
		// Moved aside rather than emptied: a process may run from it.
		aside := fmt.Sprintf("%s%s-%d", filepath.Join(s.dir, stagePrefix), digest[:12], time.Now().UnixNano())
		if err := os.Rename(final, aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.RemoveAll(aside); err != nil {
			return err
		}
	}
	return errors.New("another process keeps changing the same entry")
}

// Get returns the entry of a digest, or ErrNotStored.
func (s *Store) Get(digest string) (Entry, error) {
	dir, err := s.entryDir(digest)
	if err != nil {
		return Entry{}, err
	}
	info, err := os.Stat(filepath.Join(dir, binName))
	if errors.Is(err, fs.ErrNotExist) {
		return Entry{}, fmt.Errorf("%w: %s", ErrNotStored, digest)
	}
	if err != nil {
		return Entry{}, fmt.Errorf("look up %s in the plugin store: %w", digest, err)
	}
	var e Entry
	if data, err := os.ReadFile(filepath.Join(dir, originName)); err == nil {
		// A damaged origin costs the binary nothing but its history.
		_ = json.Unmarshal(data, &e)
	}
	e.Digest, e.Path, e.Size = digest, filepath.Join(dir, binName), info.Size()
	return e, nil
}

// List returns all entries, ordered by digest.
func (s *Store) List() ([]Entry, error) {
	names, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("list plugin store: %w", err)
	}
	var list []Entry
	for _, n := range names {
		if !validDigest(n.Name()) {
			continue
		}
		e, err := s.Get(n.Name())
		if errors.Is(err, ErrNotStored) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

// Verify hashes the stored binary again. It returns ErrNotStored or ErrCorrupt,
// wrapped, when it cannot be run as that digest.
func (s *Store) Verify(digest string) error {
	dir, err := s.entryDir(digest)
	if err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(dir, binName))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s", ErrNotStored, digest)
	}
	if err != nil {
		return fmt.Errorf("verify stored plugin: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("verify stored plugin: %w", err)
	}
	if err := checkInfo(f.Name(), info); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	h := sha256.New()
	if _, err := io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{f}, make([]byte, copyBuffer)); err != nil {
		return fmt.Errorf("verify stored plugin: %w", err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != digest {
		return fmt.Errorf("%w: %s has digest %s; copy the plugin into the plugin folder again", ErrCorrupt, f.Name(), got)
	}
	return nil
}

func (s *Store) entryDir(digest string) (string, error) {
	if !validDigest(digest) {
		return "", fmt.Errorf("%w: %q is no sha256 digest", ErrNotStored, digest)
	}
	return filepath.Join(s.dir, digest), nil
}

func validDigest(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
