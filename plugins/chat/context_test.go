package chat

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// sent is the context as Docker gets it: its files, and its hash.
func sent(t *testing.T, dir, dockerfile string) (files []string, sum string) {
	t.Helper()
	c, err := readContext(t.Context(), dir, dockerfile, 1<<20, nil)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if err := c.write(t.Context(), &archive, func(s string) error { sum = s; return nil }); err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(&archive); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			slices.Sort(files)
			return files, sum
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeDir {
			files = append(files, h.Name)
		}
	}
}

func TestTheContextIsWhatDockerBuildWouldSend(t *testing.T) {
	base := map[string]string{"Dockerfile": "FROM scratch", "main.go": "1", "docs/a.md": "2", "docs/keep.md": "3", "node_modules/x/y.js": "4"}
	for _, tt := range []struct {
		name, ignore, dockerfile string
		want                     []string
	}{
		{"everything without a .dockerignore", "", "Dockerfile", []string{"Dockerfile", "docs/a.md", "docs/keep.md", "main.go", "node_modules/x/y.js"}},
		{"not what is excluded", "node_modules\n*.md\n", "Dockerfile", []string{".dockerignore", "Dockerfile", "docs/a.md", "docs/keep.md", "main.go"}},
		{"globs over folders", "**/*.md\nnode_modules", "Dockerfile", []string{".dockerignore", "Dockerfile", "main.go"}},
		{"exceptions inside excluded folders", "docs\n!docs/keep.md\nnode_modules\n# a comment", "Dockerfile", []string{".dockerignore", "Dockerfile", "docs/keep.md", "main.go"}},
		{"Dockerfile and .dockerignore even when excluded", "*\n!main.go", "Dockerfile", []string{".dockerignore", "Dockerfile", "main.go"}},
		{"a Dockerfile in an excluded folder", "docs\nnode_modules", "docs/a.md", []string{".dockerignore", "Dockerfile", "docs/a.md", "main.go"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := folder(t, base)
			if tt.ignore != "" {
				if err := os.WriteFile(filepath.Join(dir, ".dockerignore"), []byte(tt.ignore), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, _ := sent(t, dir, tt.dockerfile)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheHashChangesWithWhatTheBuildSeesAndWithNothingElse(t *testing.T) {
	files := map[string]string{"Dockerfile": "FROM scratch", "main.go": "1", ".dockerignore": "ignored"}
	dir := folder(t, files)
	_, first := sent(t, dir, "Dockerfile")
	if _, other := sent(t, folder(t, files), "Dockerfile"); other != first {
		t.Error("another folder of the same content has another hash")
	}
	old := time.Now().Add(-time.Hour)
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "ignored"), []byte("x"), 0o644), os.Chtimes(filepath.Join(dir, "main.go"), old, old)); err != nil {
		t.Fatal(err)
	}
	if _, again := sent(t, dir, "Dockerfile"); again != first {
		t.Error("an excluded file or a time changes the hash")
	}
	if err := os.Chmod(filepath.Join(dir, "main.go"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, mode := sent(t, dir, "Dockerfile")
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte("2"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, content := sent(t, dir, "Dockerfile")
	if err := os.Symlink("main.go", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	_, link := sent(t, dir, "Dockerfile")
	if all := []string{first, mode, content, link}; len(slices.Compact(slices.Sorted(slices.Values(all)))) != len(all) {
		t.Errorf("a mode, a content or a link does not change the hash: %v", all)
	}
}
