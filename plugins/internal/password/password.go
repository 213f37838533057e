// Package password keeps generated passwords: one file each, readable by its
// owner alone, written once and never replaced. The value stays in that file
// and in the component that it was made for; results and logs carry the path.
package password

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/orch-host/orch/sdk"
)

// Generated returns the password in the file at path, making both when there
// is none: 32 random characters of A-Z, a-z, 0-9, "-" and "_". Callers that
// race get the same one.
func Generated(path string) (sdk.Secret, error) {
	value, err := Read(path)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return value, err
	}
	var random [24]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", fmt.Errorf("generate a password: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("make the folder for password file %s: %w", path, err)
	}
	// A complete file appears under its name at once, and only if there is none.
	tmp, err := os.CreateTemp(filepath.Dir(path), ".password-*") // 0600
	if err != nil {
		return "", fmt.Errorf("write password file %s: %w", path, err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(base64.RawURLEncoding.EncodeToString(random[:]) + "\n")
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return "", fmt.Errorf("write password file %s: %w", path, err)
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("write password file %s: %w", path, err)
	}
	return Read(path)
}

// Read returns the password in the file; an error wraps fs.ErrNotExist when
// there is none. A file that others may read is refused.
func Read(path string) (sdk.Secret, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("read password file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("password file %s can be read by others: chmod 600 %s", path, path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read password file: %w", err)
	}
	value := strings.TrimSpace(string(data))
	if value == "" {
		return "", fmt.Errorf("password file %s is empty: put the password into it, or remove it together with the data it protects", path)
	}
	return sdk.Secret(value), nil
}

// Forget removes the file, once the data that it protects is gone.
func Forget(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove password file %s: %w", path, err)
	}
	return nil
}
