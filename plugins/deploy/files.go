package deploy

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/orch-host/orch/sdk"
)

// writeFile replaces a file in one step and reports whether its content changed. Readers see the old or the new content,
// never a part, also when the machine stops in between.
func writeFile(path string, data []byte, mode os.FileMode) (changed bool, err error) {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return false, nil
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return false, fmt.Errorf("write %s: %w", path, err)
	}
	f, err := os.CreateTemp(dir, ".tmp-*")
	if err != nil {
		return false, fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name()) // after the rename there is nothing to remove
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return false, fmt.Errorf("write %s: %w", path, err)
	}
	return true, nil
}

func megabytes(n int) string { return strconv.Itoa(n) + "mb" }

// goDuration writes a duration without empty units: 12m instead of 12m0s.
func goDuration(d sdk.Duration) string {
	t := time.Duration(d)
	if t%time.Minute == 0 {
		return strconv.Itoa(int(t/time.Minute)) + "m"
	}
	return strconv.Itoa(int(t/time.Second)) + "s"
}
