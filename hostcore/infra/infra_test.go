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

func TestSettingsAreReadAsComposeReadsThem(t *testing.T) {
	s := &Stack{dir: t.TempDir(), out: io.Discard}
	text := "# TEMPORAL_PORT=1\nTEMPORAL_PORT=\"27233\"\nTEMPORAL_NAMESPACE='orders' # of the shop\nexport DOCKER_SOCKET=/run/docker.sock # rootless\nPREFIX=two-\n"
	if err := os.WriteFile(s.env(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"TEMPORAL_PORT": "27233", "TEMPORAL_NAMESPACE": "orders", "DOCKER_SOCKET": "/run/docker.sock", "PREFIX": "two-", "UI_PORT": "8080"} {
		if got := s.setting(name, "8080"); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
