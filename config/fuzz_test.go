package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/orch-host/orch/config"
)

// FuzzLoad holds Load to this: whatever the file says, it never panics, and each problem has a place in the file.
func FuzzLoad(f *testing.F) {
	f.Add(config.Example())
	for _, s := range []string{
		"", "\xff", "\xef\xbb\xbf[host]", "a.b.c = 1", "[a]\n[a]", "[[services]]\n[[services]]", "[services.a]\nparams = { x = [ { y = 1 } ], z = inf }",
		"[plugins]\ndir = 1\n[plugins.x]\nconfig.a = 1979-05-27T07:32:00Z", "x = [[[[[]]]]]", "services.a.then = ['a']", "[services.a]\nthen=['b','c']\n[services.b]\nthen=['c']\n[services.c]\nthen=['a']",
		"host.name = \"\\u0000\"", "'' = 1", "[\"\"]\n\"\" = {}", "temporal = { tls = { enabled = 1 } }", "[plugins.x]\nmemory = 9223372036854775807\nversion='>'",
		"[[services.a.params.l]]\n[services.a.params.l.m]\ntoken=1\n[[services.a.params.l]]\n[services.a.params.l.m]\ntoken=1", "host.stop_grace='9223372036854775807ns'",
	} {
		f.Add([]byte(s))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := os.CreateTemp(dir, "*.toml")
		if err != nil {
			t.Fatal(err)
		}
		name := file.Name()
		defer func() { _ = os.Remove(name) }()
		if _, err := file.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(config.Options{Path: name, Environ: []string{"HOME=/home/ann", "XDG_RUNTIME_DIR=/r", "XDG_STATE_HOME=/s"}})
		if err == nil {
			for group, s := range c.Services {
				if s.Name != group || s.TaskQueue == "" || s.WorkflowID == "" {
					t.Errorf("service %q is not complete: %+v", group, s)
				}
			}
			if !filepath.IsAbs(c.Plugins.Dir) || len(c.Redacted()) == 0 {
				t.Errorf("not complete: %+v", c)
			}
			return
		}
		var problems config.Problems
		if !errors.As(err, &problems) || len(problems) == 0 {
			t.Fatalf("not problems: %v", err)
		}
		lines := 1
		for _, b := range data {
			if b == '\n' {
				lines++
			}
		}
		for _, p := range problems {
			if p.File != name || p.Line < 1 || p.Line > lines || p.Column < 1 || p.Message == "" {
				t.Errorf("problem without a place: %+v", p)
			}
		}
	})
}
