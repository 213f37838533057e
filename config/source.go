package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/knadh/koanf/v2"
)

// source is one place that settings come from.
type source struct {
	values   map[string]any
	places   origins
	fallback place  // where to point when a path has no place
	base     string // folder that relative paths start at
	home     string // what ~ stands for
}

// Read makes a source a provider of koanf.
func (s *source) Read() (map[string]any, error) { return s.values, nil }

// ReadBytes is the other half of that interface; a source has no bytes.
func (s *source) ReadBytes() ([]byte, error) { return nil, errors.ErrUnsupported }

var _ koanf.Provider = (*source)(nil)

// isTable tells whether the source has a table at a path.
func (s *source) isTable(path string) bool {
	keys, ok := splitKeys(path)
	if !ok {
		return false
	}
	var v any = s.values
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	_, is := v.(map[string]any)
	return is
}

// absolute makes a path independent of the folder that it was written for. ~ is the home folder; nothing else is expanded.
func (c *source) absolute(path string) string {
	if path == "~" || strings.HasPrefix(path, "~/") {
		path = c.home + path[1:]
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.base, path)
	}
	return filepath.Clean(path)
}

// reference makes the path of a file: reference absolute, and leaves every other string alone.
func (c *source) reference(s string) string {
	if path, ok := strings.CutPrefix(s, "file:"); ok && path != "" {
		return "file:" + c.absolute(path)
	}
	return s
}

// homeOf is what ~ stands for.
func homeOf(lookup func(string) (string, bool)) string {
	if home, ok := lookup("HOME"); ok && home != "" {
		return home
	}
	if home, err := os.UserHomeDir(); err == nil {
		return home
	}
	return "/"
}
