package discover_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/orch-host/orch/hostcore/discover"
	"github.com/orch-host/orch/hostcore/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func folder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "plugins")
	mkdir(t, dir, 0o755)
	return dir
}

func mkdir(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestScanNamesEveryCandidateAndEveryRefusedFile(t *testing.T) {
	dir := folder(t)
	mkdir(t, dir+"/databases", 0o755)
	mkdir(t, dir+"/databases/deeper", 0o755)
	mkdir(t, dir+"/open", 0o777)
	mkdir(t, dir+"/.hidden", 0o755)
	for path, mode := range map[string]fs.FileMode{
		"/b-plugin": 0o755, "/a-plugin": 0o700, "/databases/neo4j": 0o755,
		"/databases/deeper/never": 0o755, "/open/never": 0o755, "/.hidden/never": 0o755,
		"/.dot": 0o755, "/copy.tmp": 0o755, "/old~": 0o755,
		"/README.md": 0o644, "/plugins.lock": 0o644,
		"/forgot-chmod": 0o644, "/shared": 0o775,
	} {
		write(t, dir+path, mode)
	}
	os.Symlink(dir+"/a-plugin", dir+"/link")
	os.Symlink(dir+"/gone", dir+"/dangling")

	list, err := discover.Scan(dir)
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		Path, Group string
		OK          bool
	}
	var got []row
	problems := map[string]error{}
	for _, c := range list {
		rel, _ := filepath.Rel(dir, c.Path)
		got = append(got, row{rel, c.Group, c.Problem == nil})
		problems[rel] = c.Problem
		if c.Problem == nil && (c.Size == 0 || c.ModTime.IsZero()) {
			t.Errorf("%s has no size or time", rel)
		}
	}
	want := []row{
		{"a-plugin", "", true}, {"b-plugin", "", true}, {"dangling", "", false},
		{"databases/neo4j", "databases", true}, {"forgot-chmod", "", false},
		{"link", "", true}, {"open", "open", false}, {"shared", "", false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("candidates (-want +got):\n%s", diff)
	}
	for path, reason := range map[string]error{
		"forgot-chmod": store.ErrNotExec, "shared": store.ErrWritable,
		"open": store.ErrWritable, "dangling": fs.ErrNotExist,
	} {
		if !errors.Is(problems[path], reason) {
			t.Errorf("%s: %v, want %v", path, problems[path], reason)
		}
	}
}

func TestScanSaysWhyTheFolderCannotBeUsed(t *testing.T) {
	if _, err := discover.Scan(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing folder: %v, want fs.ErrNotExist", err)
	}
	dir := folder(t)
	os.Chmod(dir, 0o777)
	if _, err := discover.Scan(dir); !errors.Is(err, store.ErrWritable) {
		t.Errorf("world-writable folder: %v, want ErrWritable", err)
	}
}

const debounce = 50 * time.Millisecond

func watch(t *testing.T, dir string) <-chan struct{} {
	t.Helper()
	return watchWith(t, dir, debounce)
}

func watchWith(t *testing.T, dir string, debounce time.Duration) <-chan struct{} {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ticks, err := discover.Watch(ctx, dir, debounce)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		for range ticks {
		}
	})
	return ticks
}

func expectTick(t *testing.T, ticks <-chan struct{}, why string) {
	t.Helper()
	select {
	case <-ticks:
	case <-time.After(30 * time.Second):
		t.Fatalf("no tick within 30 s: %s", why)
	}
}

func TestWatchTicksForWhatMatters(t *testing.T) {
	outside := t.TempDir()
	tests := []struct {
		name string
		do   func(dir string)
	}{
		{"a file copied in place", func(d string) { write(t, d+"/new", 0o755) }},
		{"a file renamed into place", func(d string) {
			write(t, outside+"/staged", 0o755)
			os.Rename(outside+"/staged", d+"/a")
		}},
		{"a hidden file renamed to its name", func(d string) {
			write(t, d+"/.b.part", 0o755)
			os.Rename(d+"/.b.part", d+"/b")
		}},
		{"a file removed", func(d string) { os.Remove(d + "/a") }},
		{"a file made executable", func(d string) { os.Chmod(d+"/a", 0o711) }},
		{"another content of the same size and time", func(d string) {
			info, err := os.Stat(d + "/a")
			if err != nil {
				t.Fatal(err)
			}
			os.WriteFile(d+"/a", []byte("#!/bin/ls\n"), 0o755)
			os.Chtimes(d+"/a", info.ModTime(), info.ModTime())
		}},
		{"a file given to another user", func(d string) {
			if os.Chown(d+"/a", 65534, 65534) != nil {
				t.Skip("only root can give a file away")
			}
		}},
		{"a subfolder given to another user", func(d string) {
			if os.Chown(d+"/group", 65534, 65534) != nil {
				t.Skip("only root can give a folder away")
			}
		}},
		{"the folder closed to others", func(d string) { os.Chmod(d, 0o700) }},
		{"a new subfolder with a file", func(d string) {
			mkdir(t, d+"/group2", 0o755)
			write(t, d+"/group2/c", 0o755)
		}},
		{"a file in a subfolder", func(d string) { write(t, d+"/group/d", 0o755) }},
		{"the folder replaced", func(d string) {
			os.Rename(d, d+".old")
			mkdir(t, d, 0o755)
			write(t, d+"/e", 0o755)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := folder(t)
			mkdir(t, dir+"/group", 0o755)
			write(t, dir+"/a", 0o755)
			ticks := watch(t, dir)
			tt.do(dir)
			expectTick(t, ticks, tt.name)
		})
	}
}

func TestWatchFollowsASubfolderThatCameLater(t *testing.T) {
	dir := folder(t)
	ticks := watch(t, dir)
	mkdir(t, dir+"/late", 0o755)
	expectTick(t, ticks, "the subfolder")
	write(t, dir+"/late/x", 0o755)
	expectTick(t, ticks, "the file in it")
}

func TestWatchWaitsForAFolderThatIsMissing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	ticks := watch(t, dir)
	mkdir(t, dir, 0o755)
	write(t, dir+"/x", 0o755)
	expectTick(t, ticks, "the folder with a file")
}

func TestOneTickForASlowCopy(t *testing.T) {
	dir := folder(t)
	// Long against the pauses of the copy, also on a loaded machine.
	ticks := watchWith(t, dir, 10*debounce)
	f, err := os.OpenFile(dir+"/slow", os.O_WRONLY|os.O_CREATE, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 40 {
		f.Write(make([]byte, 1024))
		time.Sleep(debounce / 10)
	}
	expectTick(t, ticks, "the copy")
	info, err := os.Stat(dir + "/slow")
	if err != nil || info.Size() != 40*1024 {
		t.Errorf("the tick came at %d bytes of %d", info.Size(), 40*1024)
	}
}

func TestHiddenFilesDoNotTick(t *testing.T) {
	dir := folder(t)
	ticks := watch(t, dir)
	write(t, dir+"/.hidden", 0o755)
	write(t, dir+"/half.tmp", 0o755)
	// The file that counts comes last: its tick is the only one.
	write(t, dir+"/real", 0o755)
	expectTick(t, ticks, "the real file")
	write(t, dir+"/.hidden2", 0o755)
	select {
	case <-ticks:
		t.Error("a hidden file made a tick")
	case <-time.After(15 * debounce):
	}
}
