package observability

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// TestTwoProcessesDoNotLoseEachOthersLabels: during a swap two versions of the
// plugin work in one state folder. Locks of files that were opened twice are
// those of two processes.
func TestTwoProcessesDoNotLoseEachOthersLabels(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	const each = 20
	for p := range 2 {
		var process enriched
		all.Go(func() {
			for i := range each {
				path := filepath.Join(dir, fmt.Sprintf("%d-%d.log", p, i))
				if err := os.WriteFile(path, nil, 0o600); err != nil {
					t.Error(err)
				}
				if err := process.remember(t.Context(), dir, []Found{{Path: path}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	var process enriched
	if known, err := process.load(dir); err != nil || len(known) != 2*each {
		t.Errorf("%d files are known, %v, want %d", len(known), err, 2*each)
	}
}
