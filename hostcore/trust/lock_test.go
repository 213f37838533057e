package trust

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/store"
)

func TestALockFileIsReadAsItWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plugins.lock")
	want := &Lock{Plugins: []Locked{{Name: "a", Version: "1.0.0", SHA256: "aa", Size: 1, File: "a"}, {Name: "b", Version: "2.0.0", SHA256: "bb", Size: 2, File: "b"}}}
	if err := (&Lock{Plugins: []Locked{want.Plugins[1], want.Plugins[0]}}).Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
}

func TestALockFileThatCannotBeReadNamesTheLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plugins.lock")
	if err := os.WriteFile(path, []byte("[[plugin]]\nname = \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "plugins.lock:2:") || !strings.Contains(err.Error(), "host plugin lock") {
		t.Errorf("got %v, want the line and the command that mends it", err)
	}
}

func TestWhatMayRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plugins.lock")
	locked := &Lock{Plugins: []Locked{{Name: "a", Version: "1.0.0", SHA256: "aa", File: "a"}}}
	if err := locked.Write(path); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, mode, digest, refused string
		warns                       bool
	}{
		{name: "strict runs what is locked", mode: config.TrustStrict, digest: "aa"},
		{name: "strict refuses what is not, with wanted, found and the command", mode: config.TrustStrict, digest: "ff",
			refused: `found sha256 ff, the lock file has a 1.0.0 with sha256 aa; if you trust the file, run "host plugin lock"`},
		{name: "warn runs it and says so", mode: config.TrustWarn, digest: "ff", warns: true},
		{name: "off does not look", mode: config.TrustOff, digest: "ff"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			v := NewVerifier(config.Plugins{Mode: tt.mode, Lock: path}, slog.New(slog.NewTextHandler(&log, nil)))
			err := v.Verify(store.Entry{Digest: tt.digest}, "/plugins/a")
			if tt.refused == "" && err != nil {
				t.Errorf("refused: %v", err)
			}
			if tt.refused != "" && (err == nil || !strings.Contains(err.Error(), tt.refused)) {
				t.Errorf("got %v, want it to say %s", err, tt.refused)
			}
			if warned := log.Len() > 0; warned != tt.warns {
				t.Errorf("warned: %v, want %v: %s", warned, tt.warns, log.String())
			}
		})
	}
}
