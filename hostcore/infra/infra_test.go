package infra

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestTheStackKeepsTheStateFolderPrivate(t *testing.T) {
	state := filepath.Join(t.TempDir(), "orch")
	s := &Stack{dir: filepath.Join(state, "infra"), out: io.Discard}
	if err := s.write(); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{state: 0o700, s.dir: 0o700, s.env(): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode().Perm(), err, want)
		}
	}
}
