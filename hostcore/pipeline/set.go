package pipeline

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// LoadOptions are what definitions are checked against.
type LoadOptions struct {
	// FS replaces the operating system's files; dir is then a path inside it.
	FS fs.FS
	// Catalog tells which activities there are. Nil: activity names and inputs are not checked.
	Catalog Catalog
	// Reserved are the built-in workflow types, whose names no pipeline may take.
	Reserved []string
}

// Set is the pipelines of one folder at one moment. It is immutable.
type Set struct {
	lang   *lang
	byName map[string]*Pipeline
	broken map[string]Problems
}

// Load reads every <name>.yaml and <name>.yml in dir, which may be missing. Other files, dotfiles and half-written ones
// (*.tmp, *~) are passed over.
//
// The set always holds the valid definitions, also when the error is not nil: one bad file does not take the others
// away. An error of type Problems lists everything that is wrong in all files.
func Load(dir string, o LoadOptions) (*Set, error) {
	l, err := newLang()
	if err != nil {
		return nil, err
	}
	s := &Set{lang: l, byName: map[string]*Pipeline{}, broken: map[string]Problems{}}
	fsys := o.FS
	root, shown := dir, dir
	if fsys == nil {
		fsys, root = os.DirFS(dir), "."
	}
	entries, err := fs.ReadDir(fsys, root)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read the pipelines folder %s: %w", dir, err)
	}
	var all Problems
	for _, e := range entries {
		ending := filepath.Ext(e.Name())
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") || ending != ".yaml" && ending != ".yml" {
			continue
		}
		file := filepath.Join(shown, e.Name())
		problems := s.add(fsys, joinFS(root, e.Name()), file, o)
		all = append(all, problems...)
	}
	return s, all.orNil()
}

func joinFS(root, name string) string {
	if root == "." || root == "" {
		return name
	}
	return root + "/" + name
}

func (s *Set) add(fsys fs.FS, at, file string, o LoadOptions) Problems {
	name, _ := nameOf(file)
	data, err := readCapped(fsys, at)
	if err != nil {
		return s.mark(name, Problems{{File: file, Message: err.Error()}})
	}
	if first, taken := s.byName[name]; taken {
		return Problems{{File: file, Message: fmt.Sprintf("pipeline %q is defined by %s already", name, first.file), Hint: "remove or rename one of the files"}}
	}
	p, err := parse(s.lang, file, data, o)
	if err != nil {
		var problems Problems
		if !errors.As(err, &problems) {
			problems = Problems{{File: file, Message: err.Error()}}
		}
		return s.mark(name, problems)
	}
	s.byName[name] = p
	return nil
}

func (s *Set) mark(name string, problems Problems) Problems {
	if name != "" {
		s.broken[name] = problems
	}
	return problems
}

// readCapped reads a file, but not more of it than can be valid.
func readCapped(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("cannot be opened: %w", err)
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		return nil, errors.New("is no regular file")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	return data, nil
}

// Get gives the pipeline of that name.
func (s *Set) Get(name string) (*Pipeline, bool) {
	p, ok := s.byName[name]
	return p, ok
}

// Names are the names of all pipelines, sorted.
func (s *Set) Names() []string { return sortedKeys(s.byName) }

// Activities are the activity types the pipeline of that name may call, sorted; nil when there is no such pipeline.
func (s *Set) Activities(name string) []string {
	if p, ok := s.byName[name]; ok {
		return p.Activities()
	}
	return nil
}

// Broken gives what is wrong with the file of that name, when it is not usable.
func (s *Set) Broken(name string) (Problems, bool) {
	p, ok := s.broken[name]
	return p, ok
}

// keeping is s with the definitions of before for every file that is there but broken now.
func (s *Set) keeping(before *Set) *Set {
	out := &Set{lang: s.lang, byName: map[string]*Pipeline{}, broken: s.broken}
	for name, p := range s.byName {
		out.byName[name] = p
	}
	for name := range s.broken {
		if _, fresh := out.byName[name]; fresh {
			continue
		}
		if p, ok := before.Get(name); ok {
			out.byName[name] = p
		}
	}
	return out
}

// known lists the pipeline types for an error message.
func (s *Set) known() string {
	if len(s.byName) == 0 {
		return "none"
	}
	names := s.Names()
	for i, n := range names {
		names[i] = TypePrefix + n
	}
	if more := len(names) - 50; more > 0 {
		names = append(slices.Clone(names[:50]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
