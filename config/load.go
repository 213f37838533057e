package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// Options say where [Load] looks.
type Options struct {
	// Path is the file. Empty: --config, then $ORCH_CONFIG, then the first that exists of ./orch.toml,
	// $XDG_CONFIG_HOME/orch/orch.toml (~/.config/orch/orch.toml) and /etc/orch/orch.toml. A file that is named by flag or
	// variable must exist. Without any file the one of [Example] applies, and [Config].Path stays empty.
	Path string
	// Required makes it a problem when there is no file.
	Required bool
	// Flags are those of [BindFlags], parsed; nil for none.
	Flags *pflag.FlagSet
	// Environ is the environment as os.Environ gives it; nil means that of this process.
	Environ []string
	// IgnoreEnv names ORCH_* variables that are no settings; a * at the end stands for any rest.
	IgnoreEnv []string
}

// Load reads the configuration. Its error is [Problems]: all that is wrong, at once.
func Load(o Options) (*Config, error) {
	l := loader{Options: o, report: &report{}, root: shape()}
	c := l.load()
	if len(l.report.problems) > 0 {
		return nil, l.report.problems.sorted()
	}
	return c, nil
}

type loader struct {
	Options
	report *report
	root   *node
}

// builtin is the place of what no file says.
const builtin = "built-in orch.toml"

func (l *loader) load() *Config {
	if l.Environ == nil {
		l.Environ = os.Environ()
	}
	cwd, err := os.Getwd()
	if err != nil {
		l.report.add(place{file: "."}, nil, fmt.Sprintf("cannot tell the working folder: %v", err), "start from a folder that exists")
		return nil
	}
	name, data, ok := l.read()
	if !ok {
		return nil
	}
	return l.build(name, data, cwd)
}

// build makes the configuration of a file's contents and the other sources.
func (l *loader) build(name string, data []byte, cwd string) *Config {
	file := l.file(name, data, cwd)
	here := source{base: cwd, home: homeOf(l.lookup)}
	env := environLayer(l.Environ, l.IgnoreEnv, l.root, file.values, l.report, here)
	flags := flagLayer(l.Flags, l.root, l.report, here)

	c := defaults(l.lookup)
	if name != builtin {
		c.Path = file.fallback.file
		if !filepath.IsAbs(c.Path) {
			c.Path = filepath.Join(cwd, c.Path)
		}
	}
	c.origins = origins{}
	k := koanf.New(".")
	for _, s := range []*source{file, env, flags} {
		check := checker{source: s, root: l.root, report: l.report}
		s.values = check.table(l.root, s.values, nil)
		if err := k.Load(s, nil); err != nil {
			l.report.add(s.fallback, nil, fmt.Sprintf("cannot merge the settings: %v", err), "")
		}
		if name != builtin || s != file { // what is built in are defaults, as far as the user is concerned
			c.origins.merge(s)
		}
	}
	if err := k.UnmarshalWithConf("", c, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		Result: c, TagName: "toml", DecodeHook: mapstructure.ComposeDecodeHookFunc(mapstructure.TextUnmarshallerHookFunc(), durations),
	}}); err != nil {
		l.report.add(file.fallback, nil, fmt.Sprintf("cannot read the settings: %v", err), "")
		return nil
	}
	c.fill()
	v := validator{Config: c, report: l.report, fallback: file.fallback}
	v.validate()
	return c
}

// durations reads spans of time in our notation.
func durations(from, to reflect.Type, v any) (any, error) {
	if s, ok := v.(string); ok && to == reflect.TypeFor[Duration]() {
		return ParseDuration(s)
	}
	return v, nil
}

// read finds the file and gives its name, as the user would write it, and its contents.
func (l *loader) read() (name string, data []byte, ok bool) {
	name, must := l.Path, l.Required
	if flag := l.flag(); name == "" && flag != "" {
		name, must = flag, true
	}
	if env, _ := l.lookup("ORCH_CONFIG"); name == "" && env != "" {
		name, must = env, true
	}
	candidates := []string{name}
	if name == "" {
		candidates = []string{"orch.toml", filepath.Join(l.configHome(), "orch", "orch.toml"), "/etc/orch/orch.toml"}
	}
	for _, candidate := range candidates {
		data, err := os.ReadFile(candidate)
		if err == nil {
			return candidate, data, true
		}
		if !errors.Is(err, fs.ErrNotExist) {
			l.report.add(place{file: candidate}, nil, fmt.Sprintf("cannot read the configuration: %v", err), "")
			return "", nil, false
		}
	}
	if must {
		l.report.add(place{file: candidates[0]}, nil, fmt.Sprintf("there is no configuration file (looked for %s)", strings.Join(candidates, ", ")),
			"create one with 'host config init', or name it with --config")
		return "", nil, false
	}
	return builtin, Example(), true
}

// file parses and places the file; what cannot be parsed is reported, and the other sources are checked all the same.
func (l *loader) file(name string, data []byte, cwd string) *source {
	s := &source{values: map[string]any{}, places: origins{}, fallback: place{file: name, line: 1, column: 1}, home: homeOf(l.lookup)}
	s.base = filepath.Dir(name)
	if !filepath.IsAbs(s.base) {
		s.base = filepath.Join(cwd, s.base)
	}
	values, places, problem := parseTOML(name, data)
	if problem != nil {
		l.report.problems = append(l.report.problems, *problem)
		return s
	}
	s.values, s.places = values, places
	return s
}

func (l *loader) flag() string {
	if l.Flags == nil {
		return ""
	}
	if f := l.Flags.Lookup(flagFile); f != nil && f.Changed {
		return f.Value.String()
	}
	return ""
}

func (l *loader) configHome() string {
	if dir, _ := l.lookup("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(homeOf(l.lookup), ".config")
}

// lookup finds a variable in the environment that was given; the last one wins, as in a shell.
func (l *loader) lookup(name string) (string, bool) {
	for i := len(l.Environ) - 1; i >= 0; i-- {
		if key, value, _ := strings.Cut(l.Environ[i], "="); key == name {
			return value, true
		}
	}
	return "", false
}

// merge adds the places of a source that goes before those that are there. Several sources can add to one table, which
// keeps its first place; any other value is replaced as a whole.
func (o origins) merge(s *source) {
	for _, path := range sortedKeys(s.places) { // a table before what is in it
		if s.isTable(path) {
			if _, known := o[path]; !known {
				o[path] = s.places[path]
			}
			continue
		}
		for old, at := range o {
			if _, known := o[path]; !known {
				break // nothing below it either
			}
			if at.file != s.places[path].file && (strings.HasPrefix(old, path+"[") || strings.HasPrefix(old, path+".")) {
				delete(o, old)
			}
		}
		o[path] = s.places[path]
	}
}
