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

// stamp changes when a file is written, exchanged or given other rights: to give
// a refused file to the right user is to mend it.
type stamp struct {
	inode  uint64
	size   int64
	mode   fs.FileMode
	owner  uint32
	change syscall.Timespec // the modification time can be that of another content
}

func (s snapshot) equal(o snapshot) bool { return maps.Equal(s, o) }

// look takes a snapshot. A folder that cannot be read is an empty one.
func (w *watcher) look() snapshot {
	s := snapshot{}
	if info, err := os.Stat(w.dir); err == nil {
		s[w.dir] = rights(info)
	}
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
		st := rights(info)
		if info.IsDir() {
			if depth > 1 {
				s[path] = st
				s.add(path, depth-1)
			}
			continue
		}
		st.size, st.change = info.Size(), store.Changed(info)
		if sys, ok := info.Sys().(*syscall.Stat_t); ok {
			st.inode = sys.Ino
		}
		s[path] = st
	}
}

// rights is all that counts of a folder: its size and times change with every
// hidden file in it.
func rights(info fs.FileInfo) stamp {
	st := stamp{mode: info.Mode()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		st.owner = sys.Uid
	}
	return st
}
