package container

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"path"
	"strings"

	dcontainer "github.com/docker/docker/api/types/container"
)

// copyFiles puts the spec's files into a container. Doing it again writes the
// same content, so callers that race do no harm.
func (e *Engine) copyFiles(ctx context.Context, s Spec, id string) error {
	byDir := map[string][]File{}
	for _, f := range append(s.Files, s.applied()...) {
		dir := "/"          // parents are made on the way
		if s.ReadOnlyRoot { // then only volumes can be written to
			dir = path.Dir(f.Path)
		}
		byDir[dir] = append(byDir[dir], f)
	}
	for dir, files := range byDir {
		archive, err := tarOf(dir, files)
		if err != nil {
			return fmt.Errorf("pack the files of container %s: %w", s.Name, err)
		}
		// Without CopyUIDGID, by which the engine would look the container's user up
		// in its passwd file: the archive says whose the files are.
		if err := e.api.CopyToContainer(ctx, id, dir, archive, dcontainer.CopyToContainerOptions{}); err != nil {
			return fmt.Errorf("copy %s into container %s: %w", names(files), s.Name, err)
		}
	}
	return nil
}

func (s Spec) inVolume(file string) bool {
	for _, v := range s.Volumes {
		if strings.HasPrefix(file, path.Clean(v.Path)+"/") {
			return true
		}
	}
	return false
}

// tarOf packs files for extraction in dir. Times are zero: the same files are
// the same bytes.
func tarOf(dir string, files []File) (*bytes.Buffer, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		h := &tar.Header{
			Typeflag: tar.TypeReg, Name: strings.TrimPrefix(strings.TrimPrefix(f.Path, dir), "/"),
			Mode: int64(f.Mode.Perm()), Uid: f.UID, Gid: f.GID, Size: int64(len(f.Content)),
		}
		if f.Mode.IsDir() {
			h.Typeflag, h.Name, h.Size = tar.TypeDir, h.Name+"/", 0
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.Content); err != nil {
			return nil, err
		}
	}
	return &buf, w.Close()
}

func names(files []File) string {
	var all []string
	for _, f := range files {
		all = append(all, f.Path)
	}
	return strings.Join(all, ", ")
}
