package password

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/orch-host/orch/sdk"
)

func TestCallersThatRaceGetOnePassword(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "neo4j.password")
	var wg sync.WaitGroup
	got, errs := make([]sdk.Secret, 16), make([]error, 16)
	for i := range got {
		wg.Go(func() { got[i], errs[i] = Generated(path) })
	}
	wg.Wait()
	for i := range got {
		if errs[i] != nil || got[i] != got[0] || len(got[i]) != 32 {
			t.Fatalf("caller %d: %d characters, %v; want the same 32 as caller 0", i, len(got[i]), errs[i])
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file: %v %v, want 0600", info.Mode(), err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("%d files, %v; want the password's alone", len(entries), err)
	}
	if err := Forget(path); err != nil {
		t.Fatal(err)
	}
	if err := Forget(path); err != nil {
		t.Errorf("Forget of nothing: %v", err)
	}
	if _, err := Read(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read after Forget: %v, want not exist", err)
	}
	if again, err := Generated(path); err != nil || again == got[0] {
		t.Errorf("a new file has the old password, %v", err)
	}
}

func TestAFileThatOthersReadOrThatIsEmptyIsRefused(t *testing.T) {
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		mode    fs.FileMode
		content string
		want    string
	}{
		"readable": {0o644, "canary", "chmod 600"},
		"empty":    {0o600, "\n", "is empty"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(tt.content), tt.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, tt.mode); err != nil {
			t.Fatal(err)
		}
		_, err := Generated(path)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}
