package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/orch-host/orch/config"
	"github.com/spf13/pflag"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// write puts a file into a fresh working folder and returns its name relative to it.
func write(t *testing.T, text string) string {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("orch.toml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return "orch.toml"
}

// load reads a text as orch.toml, with the given environment only.
func load(t *testing.T, text string, env ...string) *config.Config {
	t.Helper()
	c, err := config.Load(config.Options{Path: write(t, text), Environ: home(env)})
	if err != nil {
		t.Fatalf("load:\n%v", err)
	}
	return c
}

// problems reads a text that is wrong.
func problems(t *testing.T, o config.Options) config.Problems {
	t.Helper()
	o.Environ = home(o.Environ)
	_, err := config.Load(o)
	var p config.Problems
	if !errors.As(err, &p) {
		t.Fatalf("load: expected problems, got %v", err)
	}
	return p
}

func home(env []string) []string { return append([]string{"HOME=/home/ann"}, env...) }

func flags(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("host", pflag.ContinueOnError)
	config.BindFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return fs
}

func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Clean(dir)
}
