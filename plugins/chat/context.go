package chat

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/go-units"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/orch-host/orch/sdk"
)

// Failure types of a build that only its author can mend.
const (
	typeContext    = "InvalidContext"
	typeDockerfile = "InvalidDockerfile"
	typeSecret     = "SecretInBuild"
	typeBuild      = "BuildFailed"
)

// buildContext is a folder as docker build would send it.
type buildContext struct {
	folder     string
	dockerfile string // slash path below folder
	entries    []entry
	size       int64
	secrets    []string // what no file may hold
}

type entry struct {
	path string // slash path below the folder
	info fs.FileInfo
	link string // of a symbolic link
}

// readContext lists what belongs to the build: all but what .dockerignore
// excludes, by the matcher that docker build uses. Dockerfile and .dockerignore
// always belong. A folder larger than limit is refused before a file is read.
func readContext(ctx context.Context, folder, dockerfile string, limit int64, secrets []string) (*buildContext, error) {
	c := &buildContext{folder: folder, dockerfile: path.Clean(filepath.ToSlash(dockerfile)), secrets: secrets}
	if err := c.checkPlaces(); err != nil {
		return nil, err
	}
	ignored, err := c.ignored()
	if err != nil {
		return nil, err
	}
	parents := map[string]patternmatcher.MatchInfo{}
	err = filepath.WalkDir(folder, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return sdk.Fail(typeContext, "read the context: %v; mend the permissions, or exclude it in .dockerignore", err)
		}
		rel, err := filepath.Rel(folder, at)
		if err != nil || rel == "." {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		rel = filepath.ToSlash(rel)
		skip, match, err := ignored.MatchesUsingParentResults(rel, parents[path.Dir(rel)])
		if err != nil {
			return sdk.Fail(typeContext, "%s: %v", filepath.Join(folder, ".dockerignore"), err)
		}
		if d.IsDir() {
			parents[rel] = match
		}
		if rel == c.dockerfile || rel == ".dockerignore" {
			skip = false
		}
		switch {
		case skip && d.IsDir() && !ignored.Exclusions() && !strings.HasPrefix(c.dockerfile, rel+"/"):
			return fs.SkipDir
		case skip:
			return nil
		}
		return c.add(at, rel, d)
	})
	if err != nil {
		return nil, err
	}
	if c.size > limit {
		return nil, sdk.NonRetryable(sdk.Fail(typeContext, "the context %s has %s, more than the limit of %s: exclude what the build does not need in .dockerignore (the largest: %s), or raise %s.build.max_context",
			folder, units.BytesSize(float64(c.size)), units.BytesSize(float64(limit)), c.largest(), settings))
	}
	return c, nil
}

// checkPlaces refuses a context that cannot be built, with what to do.
func (c *buildContext) checkPlaces() error {
	final := func(format string, args ...any) error {
		return sdk.NonRetryable(sdk.Fail(typeContext, format, args...))
	}
	where := fmt.Sprintf("set context in the service's params, or %s.build.context", settings)
	if c.folder == "" {
		return final("no context, the folder with the application's source, is given: %s", where)
	}
	if !filepath.IsAbs(c.folder) {
		return final("the context %q is not an absolute path: %s", c.folder, where)
	}
	info, err := os.Stat(c.folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return final("the context %s does not exist: make it, or %s", c.folder, where)
	case err != nil:
		return final("the context cannot be read: %v", err)
	case !info.IsDir():
		return final("the context %s is not a folder: %s", c.folder, where)
	}
	if !filepath.IsLocal(filepath.FromSlash(c.dockerfile)) {
		return final("the Dockerfile %q is not inside the context %s", c.dockerfile, c.folder)
	}
	info, err = os.Stat(filepath.Join(c.folder, filepath.FromSlash(c.dockerfile)))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return final("there is no %s in the context %s: write one, or name another in dockerfile", c.dockerfile, c.folder)
	case err != nil:
		return final("the Dockerfile cannot be read: %v", err)
	case !info.Mode().IsRegular():
		return final("%s in the context %s is not a file", c.dockerfile, c.folder)
	}
	return nil
}

// ignored reads <Dockerfile>.dockerignore or else .dockerignore, as docker build does.
func (c *buildContext) ignored() (*patternmatcher.PatternMatcher, error) {
	var patterns []string
	for _, name := range []string{c.dockerfile + ".dockerignore", ".dockerignore"} {
		f, err := os.Open(filepath.Join(c.folder, filepath.FromSlash(name)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		patterns, err = ignorefile.ReadAll(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		break
	}
	m, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, sdk.NonRetryable(sdk.Fail(typeContext, "%s: %v", filepath.Join(c.folder, ".dockerignore"), err))
	}
	return m, nil
}

func (c *buildContext) add(at, rel string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return fmt.Errorf("read the context: %w", err)
	}
	e := entry{path: rel, info: info}
	switch {
	case info.Mode().IsRegular():
		c.size += info.Size()
	case info.Mode()&fs.ModeSymlink != 0:
		if e.link, err = os.Readlink(at); err != nil {
			return fmt.Errorf("read the context: %w", err)
		}
	case !info.IsDir():
		return nil // sockets, pipes, devices: docker build leaves them out too
	}
	c.entries = append(c.entries, e)
	return nil
}

// largest names the three largest files.
func (c *buildContext) largest() string {
	files := slices.Clone(c.entries)
	slices.SortFunc(files, func(a, b entry) int { return int(max(-1, min(1, b.info.Size()-a.info.Size()))) })
	var names []string
	for _, e := range files {
		if e.info.Mode().IsRegular() && len(names) < 3 {
			names = append(names, fmt.Sprintf("%s %s", e.path, units.BytesSize(float64(e.info.Size()))))
		}
	}
	return strings.Join(names, ", ")
}

// write sends the context as a tar archive into w, and gives accept the hash of
// what the build sees of it: paths, modes, links and contents; neither owners
// nor times. The archive is ended only when accept agrees.
func (c *buildContext) write(ctx context.Context, w io.Writer, accept func(sum string) error) error {
	root, err := os.OpenRoot(c.folder)
	if err != nil {
		return fmt.Errorf("open the context: %w", err)
	}
	defer root.Close()
	sum := sha256.New()
	archive := tar.NewWriter(w)
	for _, e := range c.entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.writeEntry(root, archive, sum, e); err != nil {
			return err
		}
	}
	if err := accept(hex.EncodeToString(sum.Sum(nil))); err != nil {
		return err
	}
	return archive.Close()
}

func (c *buildContext) writeEntry(root *os.Root, archive *tar.Writer, sum hash.Hash, e entry) error {
	h, err := tar.FileInfoHeader(e.info, e.link)
	if err != nil {
		return fmt.Errorf("send %s: %w", e.path, err)
	}
	h.Name, h.Uid, h.Gid, h.Uname, h.Gname = e.path, 0, 0, "", ""
	if e.info.IsDir() {
		h.Name += "/"
	}
	fmt.Fprintf(sum, "%q %o %q %d\n", h.Name, h.Mode, h.Linkname, h.Size)
	if err := archive.WriteHeader(h); err != nil {
		return fmt.Errorf("send %s: %w", e.path, err)
	}
	if !e.info.Mode().IsRegular() {
		return nil
	}
	f, err := root.Open(filepath.FromSlash(e.path))
	if err != nil {
		return fmt.Errorf("read the context: %w", err)
	}
	defer f.Close()
	look := &searcher{needles: c.secrets}
	n, err := io.Copy(io.MultiWriter(archive, sum, look), f)
	switch {
	case look.found:
		return sdk.NonRetryable(sdk.Fail(typeSecret, "%s in the context %s holds the value of a configured secret, which would be readable in the image: exclude it in .dockerignore", e.path, c.folder))
	case errors.Is(err, tar.ErrWriteTooLong) || (err == nil && n != h.Size):
		return fmt.Errorf("%s changed while the context was read", e.path)
	case err != nil:
		return fmt.Errorf("send %s: %w", e.path, err)
	}
	return nil
}

// searcher is a writer that looks for texts in what is written.
type searcher struct {
	needles []string
	kept    []byte // the end of what was written before
	found   bool
}

func (s *searcher) Write(p []byte) (int, error) {
	if s.found || len(s.needles) == 0 {
		return len(p), nil
	}
	text := append(s.kept, p...)
	longest := 0
	for _, n := range s.needles {
		s.found = s.found || bytes.Contains(text, []byte(n))
		longest = max(longest, len(n))
	}
	s.kept = slices.Clone(text[max(0, len(text)-longest+1):])
	return len(p), nil
}
