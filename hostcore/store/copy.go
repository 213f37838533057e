package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const copyBuffer = 256 << 10

// copyHashed copies the file and returns the digest of what was written. The
// file is checked again through its open descriptor, before and after: a path
// can be made to point elsewhere after it was looked at.
func copyHashed(from, to string, seen fs.FileInfo) (string, error) {
	// Not blocking: opening a pipe put in the file's place would wait for good.
	src, err := os.OpenFile(from, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", fmt.Errorf("read plugin file: %w", err)
	}
	defer src.Close()
	before, err := src.Stat()
	if err != nil {
		return "", fmt.Errorf("read plugin file: %w", err)
	}
	if err := checkInfo(from, before); err != nil {
		return "", err
	}
	if !same(seen, before) {
		return "", &RefusedError{Path: from, Err: ErrUnstable}
	}
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700)
	if err != nil {
		return "", fmt.Errorf("write plugin copy: %w", err)
	}
	defer dst.Close()
	h := sha256.New()
	n, err := io.CopyBuffer(io.MultiWriter(dst, h), struct{ io.Reader }{src}, make([]byte, copyBuffer))
	if err != nil {
		return "", fmt.Errorf("copy plugin file %s: %w", from, err)
	}
	if after, err := os.Stat(from); err != nil || !same(before, after) || n != before.Size() {
		return "", &RefusedError{Path: from, Err: ErrUnstable}
	}
	return hex.EncodeToString(h.Sum(nil)), seal(dst)
}

// same says whether nothing was written or exchanged between two looks. The
// change time is compared as well: a writer can set the modification time.
func same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && Changed(a) == Changed(b)
}

// seal makes the copy durable and read-only. Others may read and execute it as
// far as the private folder lets them: a plugin that runs as another user
// executes the host's open descriptor.
func seal(f *os.File) error {
	if err := f.Chmod(0o555); err != nil {
		return fmt.Errorf("seal plugin copy: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync plugin copy: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("close plugin copy: %w", err)
	}
	return nil
}

// writeJSON writes a file so that it is there whole or not at all.
func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return writeWhole(path, append(data, '\n'))
}

func writeWhole(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".write-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// syncDir makes a rename in the folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
