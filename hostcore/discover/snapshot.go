package discover

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"syscall"

	"github.com/orch-host/orch/hostcore/store"
)

// snapshot is the state of the plugin folder as far as Scan would see it.
type snapshot map[string]stamp

// stamp changes when a file is written, exchanged or given other rights.
type stamp struct {
	inode uint64
	size  int64
	mode  fs.FileMode
	mod   int64 // ns
}

func (s snapshot) equal(o snapshot) bool { return maps.Equal(s, o) }

// look takes a snapshot. A folder that cannot be read is an empty one.
func (w *watcher) look() snapshot {
	s := snapshot{}
	s.add(w.dir, 2)
	return s
}

func (s snapshot) add(dir string, depth int) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if store.IgnoredName(e.Name()) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		st := stamp{mode: info.Mode()}
		if info.IsDir() {
			// A folder's own size and time change with every hidden file in it.
			if depth > 1 {
				s[path] = st
				s.add(path, depth-1)
			}
			continue
		}
		st.size, st.mod = info.Size(), info.ModTime().UnixNano()
		if sys, ok := info.Sys().(*syscall.Stat_t); ok {
			st.inode = sys.Ino
		}
		s[path] = st
	}
}
