package catalog

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aead.dev/minisign"
	"go.uber.org/goleak"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/store"
	"github.com/orch-host/orch/hostcore/trust"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// folders are those of a catalog with one file in the plugin folder.
func folders(t *testing.T, file, content string) Options {
	t.Helper()
	root, err := os.MkdirTemp("", "oc") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	plugins := filepath.Join(root, "plugins")
	if err := errors.Join(os.Mkdir(plugins, 0o755), os.WriteFile(filepath.Join(plugins, file), []byte(content), 0o755)); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(filepath.Join(root, "store"))
	if err != nil {
		t.Fatal(err)
	}
	return Options{Dirs: []string{plugins}, Store: s, RuntimeDir: filepath.Join(root, "run"), StateDir: filepath.Join(root, "state"), Logger: slog.New(slog.DiscardHandler)}
}

func TestLockingRunsNothingThatLacksAWantedSignature(t *testing.T) {
	key, _, err := minisign.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := key.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	ran := filepath.Join(t.TempDir(), "ran")
	o := folders(t, "unsigned", "#!/bin/sh\n: >"+ran+"\nexit 1\n")
	o.Plugins = config.Plugins{Mode: config.TrustStrict, Lock: filepath.Join(t.TempDir(), "plugins.lock"), TrustedKeys: []string{lines[len(lines)-1]}}
	lock, refusals, err := New(o).LockAll(t.Context())
	var unsigned *trust.SignatureError
	if lock != nil || err == nil || len(refusals) != 1 || !errors.As(refusals[0].Err, &unsigned) {
		t.Errorf("locked %v, refused %+v, error %v", lock, refusals, err)
	}
	if _, err := os.Stat(ran); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was run: %v", err)
	}
}
