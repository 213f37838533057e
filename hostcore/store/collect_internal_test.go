package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestWhatIsUsedWhileOthersCollectStays(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	a, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(dir) // of another process
	if err != nil {
		t.Fatal(err)
	}
	digest := strings.Repeat("a", 64)
	entry, aside, long := filepath.Join(dir, digest), filepath.Join(dir, stagePrefix+"aside"), time.Now().Add(-time.Hour)
	for range 500 {
		if err := errors.Join(os.MkdirAll(entry, 0o700), os.Chtimes(entry, long, long)); err != nil {
			t.Fatal(err)
		}
		var g sync.WaitGroup
		var used, removed bool
		g.Go(func() { used = a.used(digest) })
		g.Go(func() { removed, _ = b.setAside(entry, aside, time.Minute) })
		g.Wait()
		if used == removed {
			t.Fatalf("used: %v, removed: %v", used, removed)
		}
		if err := os.RemoveAll(aside); err != nil {
			t.Fatal(err)
		}
	}
}
