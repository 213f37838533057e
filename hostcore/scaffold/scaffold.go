// Package scaffold writes the folder of a new plugin: one that builds, passes
// its own tests and "host plugin test" as it is, and is small enough to be
// changed into the real one. It is behind "host plugin new".
package scaffold

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/orch-host/orch/config"
)

//go:embed all:templates
var templates embed.FS

// Languages a plugin can be made for.
var languages = []string{"go", "python"}

// Options say what is written.
type Options struct {
	Dir    string // made when missing; must be empty
	Name   string // of the plugin; default: the folder's
	Lang   string // go or python
	Module string // Go module path; default example.com/<name>
	SDK    string // version of the Go SDK (v1.2.3) or the path of a checkout; empty: the latest release
}

// UsageError is an option that makes no sense.
type UsageError struct{ text string }

func (e *UsageError) Error() string { return e.text }

var (
	nameRE    = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`) // a table of orch.toml can have it
	moduleRE  = regexp.MustCompile(`^[A-Za-z0-9_~.-]+(/[A-Za-z0-9_~.-]+)*$`)
	versionRE = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]+)?$`)
)

// maxName is how long a name may be.
const maxName = 41

// values are what the templates use.
type values struct {
	Name     string // my-plugin
	Activity string // my_plugin_hello
	Module   string
	Version  string // of the SDK; empty: none is required yet
	Replace  string // folder of the SDK; empty: none
}

// Write makes the folder and returns the files that it wrote, relative to it.
// Nothing is written when something is there already.
func Write(o Options) ([]string, error) {
	v, err := check(&o)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of the plugin: %w", err)
	}
	there, err := os.ReadDir(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("look into the folder of the plugin: %w", err)
	}
	if len(there) > 0 {
		return nil, &UsageError{fmt.Sprintf("%s is not empty (it holds %s): name a new folder", o.Dir, there[0].Name())}
	}
	root := "templates/" + o.Lang
	var written []string
	err = fs.WalkDir(templates, root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := target(strings.TrimPrefix(path, root+"/"))
		if err := write(path, filepath.Join(o.Dir, name), v); err != nil {
			return err
		}
		written = append(written, name)
		return nil
	})
	if err != nil {
		return written, fmt.Errorf("write the plugin to %s: %w", o.Dir, err)
	}
	slices.Sort(written)
	return written, nil
}

func check(o *Options) (values, error) {
	if !slices.Contains(languages, o.Lang) {
		return values{}, &UsageError{fmt.Sprintf("no plugin can be made for %q: the languages are %s", o.Lang, strings.Join(languages, " and "))}
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return values{}, fmt.Errorf("find the folder of the plugin: %w", err)
	}
	if o.Dir = dir; o.Name == "" {
		o.Name = strings.ToLower(filepath.Base(dir))
	}
	if !nameRE.MatchString(o.Name) || len(o.Name) > maxName {
		return values{}, &UsageError{fmt.Sprintf("%q is no name for a plugin: want a lower-case letter, then letters and digits with single \"-\" between them, %d at the most; give one with --name", o.Name, maxName)}
	}
	if problem := config.GroupProblem(o.Name); problem != "" {
		return values{}, &UsageError{fmt.Sprintf("%s, so no table of orch.toml could configure such a plugin: give another name with --name", problem)}
	}
	v := values{Name: o.Name, Module: o.Module, Activity: strings.ReplaceAll(o.Name, "-", "_") + "_hello"}
	if v.Module == "" {
		v.Module = "example.com/" + o.Name
	}
	if !moduleRE.MatchString(v.Module) {
		return values{}, &UsageError{fmt.Sprintf("--module %q is no module path: want something like example.com/%s", v.Module, o.Name)}
	}
	switch {
	case o.SDK == "":
	case versionRE.MatchString(o.SDK):
		v.Version = o.SDK
	default:
		if v.Replace, err = filepath.Abs(o.SDK); err != nil {
			return values{}, fmt.Errorf("find the SDK: %w", err)
		}
		if _, err := os.Stat(filepath.Join(v.Replace, "sdk", "plugin.go")); err != nil {
			return values{}, &UsageError{fmt.Sprintf("--sdk %s is neither a version such as v1.2.3 nor a checkout of Orch: %v", o.SDK, err)}
		}
		v.Version = "v0.0.0"
	}
	return v, nil
}

// target is the name of the file that a template makes: names that Go or git
// would act on inside this repository are spelt differently here.
func target(name string) string {
	name = strings.TrimSuffix(name, ".tmpl")
	dir, base := filepath.Split(name)
	if rest, ok := strings.CutPrefix(base, "dot-"); ok {
		base = "." + rest
	}
	return dir + base
}

func write(from, to string, v values) error {
	text, err := templates.ReadFile(from)
	if err != nil {
		return err
	}
	if strings.HasSuffix(from, ".tmpl") {
		t, err := template.New(from).Delims("[[", "]]").Option("missingkey=error").Parse(string(text))
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, v); err != nil {
			return err
		}
		text = b.Bytes()
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.Write(text); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}
