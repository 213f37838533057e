package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// literal in front of a string says that it is no reference, whatever it looks like.
const literal = "literal:"

// Resolver is where references are looked up. The zero Resolver uses this process's environment and file system.
type Resolver struct {
	Lookup   func(name string) (string, bool)
	ReadFile func(path string) ([]byte, error)
}

// resolve reads what a reference refers to; any other string is its own value. One line end at the end of a file does
// not belong to the value, since editors add it.
func (r Resolver) resolve(s string) (string, error) {
	if rest, ok := strings.CutPrefix(s, literal); ok {
		return rest, nil
	}
	if !isReference(s) {
		return s, nil
	}
	if name, ok := strings.CutPrefix(s, "env:"); ok {
		lookup := r.Lookup
		if lookup == nil {
			lookup = os.LookupEnv
		}
		value, ok := lookup(name)
		if !ok {
			return "", fmt.Errorf("resolve %s: the environment variable is not set; set it where the host is started", s)
		}
		return value, nil
	}
	read := r.ReadFile
	if read == nil {
		read = os.ReadFile
	}
	data, err := read(strings.TrimPrefix(s, "file:"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("resolve %s: there is no such file; create it with mode 0600: %w", s, err)
	case err != nil:
		return "", fmt.Errorf("resolve %s: %w", s, err)
	}
	value := strings.TrimSuffix(string(data), "\n")
	return strings.TrimSuffix(value, "\r"), nil
}

// ResolveConfig is the plugin's table as JSON, with every reference in it replaced by its value: for the hand-over to
// the plugin, and for nothing else. All references that cannot be resolved are reported at once, each with its key path.
func (p Plugin) ResolveConfig(r Resolver) ([]byte, error) {
	var failed []error
	resolved := r.walk(p.Config, at("plugins", p.Group, "config"), &failed)
	if err := errors.Join(failed...); err != nil {
		return nil, err
	}
	if p.Config == nil {
		return []byte("{}"), nil
	}
	data, err := json.Marshal(resolved)
	if err != nil {
		return nil, fmt.Errorf("encode the configuration of plugin %s: %w", p.Group, err)
	}
	return data, nil
}

func (r Resolver) walk(v any, path *keyPath, failed *[]error) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, k := range sortedKeys(v) {
			out[k] = r.walk(v[k], path.key(k), failed)
		}
		return out
	case []any:
		out := slices.Clone(v)
		for i := range out {
			out[i] = r.walk(out[i], path.index(i), failed)
		}
		return out
	case string:
		value, err := r.resolve(v)
		if err != nil {
			*failed = append(*failed, fmt.Errorf("%s: %w", path, err))
		}
		return value
	}
	return v
}
