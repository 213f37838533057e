package observability

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/orch-host/orch/sdk"
)

// Found is a log that was discovered.
type Found struct {
	Path      string            `json:"path"`
	Labels    map[string]string `json:"labels,omitempty"`
	Format    string            `json:"format,omitempty"`
	Multiline *Multiline        `json:"multiline,omitempty"`
}

// discoverFiles lists the log files, sorted by path, each once however many names lead to it. What cannot be read is
// logged and left out.
func (g *group) discoverFiles(ctx context.Context, in Ingest) ([]Found, error) {
	w := walk{ctx: ctx, log: sdk.Logger(ctx), exclude: in.Exclude, files: map[inode]string{}}
	var relative []string
	for _, p := range in.Include {
		if !path.IsAbs(p) {
			relative = append(relative, p)
			continue
		}
		w.folder(fixedPart(p), []string{p})
	}
	for _, r := range in.Roots {
		if len(relative) > 0 {
			w.folder(filepath.Clean(r), relative)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	found := []Found{}
	for _, p := range slices.Sorted(maps.Values(w.files)) {
		found = append(found, Found{Path: p, Format: in.Format, Multiline: in.Multiline})
	}
	return found, nil
}

type inode struct{ dev, ino uint64 }

func inodeOf(st fs.FileInfo) (inode, bool) {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return inode{}, false
	}
	return inode{uint64(sys.Dev), sys.Ino}, true //nolint:unconvert // their types differ between systems
}

// walk goes through folders, into symbolic links too, and into each folder once.
type walk struct {
	ctx     context.Context
	log     *slog.Logger
	root    string
	include []string
	exclude []string
	visited map[inode]bool
	files   map[inode]string
}

func (w *walk) folder(root string, include []string) {
	w.root, w.include, w.visited = root, include, map[inode]bool{}
	w.visit(root)
}

func (w *walk) visit(name string) {
	if w.ctx.Err() != nil || w.excluded(name) {
		return
	}
	st, err := os.Stat(name)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) { // a link to nothing, or it went away
			w.log.Warn("log discovery leaves out what cannot be read", "path", name, "error", err)
		}
		return
	}
	id, ok := inodeOf(st)
	switch {
	case !ok:
	case st.Mode().IsRegular() && !utf8.ValidString(name): // it would not be the same after its way through the workflow
		if w.included(name) {
			w.log.Warn("log discovery leaves out a file whose name is not UTF-8; rename it, or ship it by a link", "path", fmt.Sprintf("%q", name))
		}
	case st.Mode().IsRegular():
		if old, there := w.files[id]; w.included(name) && (!there || name < old) {
			w.files[id] = name
		}
	case st.IsDir() && !w.visited[id]:
		w.visited[id] = true
		list, err := os.ReadDir(name)
		if err != nil {
			w.log.Warn("log discovery leaves out a folder that cannot be read", "path", name, "error", err)
		}
		for _, e := range list {
			if t := e.Type(); t.IsRegular() && !w.included(filepath.Join(name, e.Name())) {
				continue // most files of a tree: no need to ask the system about them
			}
			w.visit(filepath.Join(name, e.Name()))
		}
	}
}

func (w *walk) excluded(name string) bool {
	return slices.ContainsFunc(w.exclude, func(p string) bool { return matches(p, w.root, name) })
}

func (w *walk) included(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".gz", ".bz2", ".xz", ".zst", ".zip", ".lz4": // their text was a log before
		return false
	}
	return slices.ContainsFunc(w.include, func(p string) bool { return matches(p, w.root, name) })
}
