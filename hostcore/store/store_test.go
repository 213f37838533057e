package store_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/orch-host/orch/hostcore/store"
	"github.com/orch-host/orch/sdk/pluginv1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// folder is a plugin folder that passes the checks: t.TempDir's parents do too,
// but its mode depends on the umask.
func folder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "plugins")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, path string, content []byte, mode fs.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, content, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func TestAddStoresTheContentUnderItsDigest(t *testing.T) {
	s, content := open(t), bytes.Repeat([]byte("binary"), 100_000)
	src := write(t, filepath.Join(folder(t), "thing"), content, 0o755)
	e, err := s.Add(src)
	if err != nil {
		t.Fatal(err)
	}
	if e.Digest != digestOf(content) || e.Size != int64(len(content)) || e.Source != src {
		t.Errorf("entry %+v", e)
	}
	got, err := os.ReadFile(e.Path)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("the copy differs from the source (%v)", err)
	}
	for path, want := range map[string]fs.FileMode{
		e.Path: 0o555, filepath.Dir(e.Path): 0o700 | fs.ModeDir, s.Dir(): 0o700 | fs.ModeDir,
	} {
		info, err := os.Stat(path)
		if err != nil || info.Mode() != want {
			t.Errorf("%s has mode %s, want %s (%v)", path, info.Mode(), want, err)
		}
	}
	if err := s.Verify(e.Digest); err != nil {
		t.Errorf("verify: %v", err)
	}
	again, err := s.Add(src)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, again); diff != "" {
		t.Errorf("a second Add gives another entry:\n%s", diff)
	}
}

func TestAddRefusesWhatMustNotRun(t *testing.T) {
	body := []byte("#!/bin/sh\n")
	tests := []struct {
		name   string
		make   func(dir string) string
		reason error
	}{
		{"a hidden file", func(d string) string { return write(t, d+"/.thing", body, 0o755) }, store.ErrIgnoredName},
		{"a temporary file", func(d string) string { return write(t, d+"/thing.tmp", body, 0o755) }, store.ErrIgnoredName},
		{"a backup", func(d string) string { return write(t, d+"/thing~", body, 0o755) }, store.ErrIgnoredName},
		{"an empty file", func(d string) string { return write(t, d+"/thing", nil, 0o755) }, store.ErrEmpty},
		{"a file without execute permission", func(d string) string { return write(t, d+"/thing", body, 0o644) }, store.ErrNotExec},
		{"a group-writable file", func(d string) string { return write(t, d+"/thing", body, 0o775) }, store.ErrWritable},
		{"a world-writable file", func(d string) string { return write(t, d+"/thing", body, 0o757) }, store.ErrWritable},
		{"a world-writable folder", func(d string) string {
			p := write(t, d+"/thing", body, 0o755)
			os.Chmod(d, 0o777)
			return p
		}, store.ErrWritable},
		{"a link out of a world-writable folder", func(d string) string {
			open := d + "/open"
			os.Mkdir(open, 0o755)
			write(t, open+"/real", body, 0o755)
			os.Chmod(open, 0o777)
			os.Symlink(open+"/real", d+"/thing")
			return d + "/thing"
		}, store.ErrWritable},
		{"a folder", func(d string) string { os.Mkdir(d+"/thing", 0o755); return d + "/thing" }, store.ErrNotRegular},
		{"a named pipe", func(d string) string { syscall.Mkfifo(d+"/thing", 0o755); return d + "/thing" }, store.ErrNotRegular},
		{"a missing file", func(d string) string { return d + "/thing" }, fs.ErrNotExist},
		{"another user's file", func(d string) string {
			p := write(t, d+"/thing", body, 0o755)
			if os.Chown(p, 65534, 65534) != nil {
				t.Skip("only root can give a file away")
			}
			return p
		}, store.ErrForeign},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t)
			if _, err := s.Add(tt.make(folder(t))); !errors.Is(err, tt.reason) {
				t.Errorf("got %v, want %v", err, tt.reason)
			}
			if left, _ := os.ReadDir(s.Dir()); len(left) > 0 {
				t.Errorf("left in the store: %v", left)
			}
		})
	}
}

func TestAFileThatIsStillWrittenIsWaitedForAndThenRefused(t *testing.T) {
	s := open(t)
	path := write(t, filepath.Join(folder(t), "thing"), []byte("first half"), 0o755)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(store.SettleTime / 10):
				f.Write([]byte("more"))
			}
		}
	})
	_, err = s.Add(path)
	close(stop)
	wg.Wait()
	if !errors.Is(err, store.ErrUnstable) {
		t.Errorf("got %v, want ErrUnstable", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Add(path); err != nil {
		t.Errorf("refused although it has settled: %v", err)
	}
}

func TestAFileHeldOpenForWritingIsRefused(t *testing.T) {
	s := open(t)
	path := write(t, filepath.Join(folder(t), "thing"), []byte("first half"), 0o755)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// The writer pauses for longer than the settle time.
	time.Sleep(2 * store.SettleTime)
	if _, err := s.Add(path); !errors.Is(err, store.ErrUnstable) {
		t.Errorf("got %v, want ErrUnstable", err)
	}
}

func TestADamagedEntryIsNoticedAndReplaced(t *testing.T) {
	s, content := open(t), []byte("the real thing")
	src := write(t, filepath.Join(folder(t), "thing"), content, 0o755)
	e, err := s.Add(src)
	if err != nil {
		t.Fatal(err)
	}
	os.Chmod(e.Path, 0o755)
	write(t, e.Path, []byte("something else"), 0o555)
	if err := s.Verify(e.Digest); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("verify says %v, want ErrCorrupt", err)
	}
	if _, err := s.Add(src); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(e.Digest); err != nil {
		t.Errorf("not replaced: %v", err)
	}
}

func TestTheSameContentCanBeAddedAtOnce(t *testing.T) {
	s, dir := open(t), folder(t)
	content := bytes.Repeat([]byte("x"), 1<<20)
	var wg sync.WaitGroup
	for i := range 8 {
		src := write(t, filepath.Join(dir, string(rune('a'+i))), content, 0o755)
		wg.Go(func() {
			if _, err := s.Add(src); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	list, err := s.List()
	if err != nil || len(list) != 1 || list[0].Digest != digestOf(content) {
		t.Errorf("list %+v, %v", list, err)
	}
	if left, _ := os.ReadDir(s.Dir()); len(left) != 1 {
		t.Errorf("left in the store: %v", left)
	}
}

func TestManifestsAreCachedByDigest(t *testing.T) {
	s := open(t)
	e, err := s.Add(write(t, filepath.Join(folder(t), "thing"), []byte("x"), 0o755))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := s.Manifest(e.Digest); ok || err != nil {
		t.Errorf("a manifest before it was saved: %v, %v", ok, err)
	}
	want := &pluginv1.Manifest{
		Group: "g", Name: "n", Version: "1.0.0", ConfigSchema: []byte(`{"type":"object"}`),
		Activities: []*pluginv1.ActivitySpec{{Name: "a", Idempotent: true}},
	}
	if err := s.SaveManifest(e.Digest, want); err != nil {
		t.Fatal(err)
	}
	got, ok, err := s.Manifest(e.Digest)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
	write(t, filepath.Join(filepath.Dir(e.Path), "manifest.json"), []byte("{half"), 0o600)
	if _, ok, err := s.Manifest(e.Digest); ok || err != nil {
		t.Errorf("a damaged cache counts as one: %v, %v", ok, err)
	}
	if err := s.SaveManifest(digestOf([]byte("unknown")), want); !errors.Is(err, store.ErrNotStored) {
		t.Errorf("got %v, want ErrNotStored", err)
	}
}

func TestCollectRemovesWhatNobodyHasUsed(t *testing.T) {
	const week = 7 * 24 * time.Hour
	s, dir := open(t), folder(t)
	age := func(e store.Entry) {
		t.Helper()
		long := time.Now().Add(-week - time.Hour)
		if err := os.Chtimes(filepath.Dir(e.Path), long, long); err != nil {
			t.Fatal(err)
		}
	}
	keep, err := s.Add(write(t, filepath.Join(dir, "keep"), []byte("keep"), 0o755))
	if err != nil {
		t.Fatal(err)
	}
	drop, err := s.Add(write(t, filepath.Join(dir, "drop"), []byte("drop"), 0o755))
	if err != nil {
		t.Fatal(err)
	}
	found, err := s.Add(write(t, filepath.Join(dir, "found"), []byte("found"), 0o755))
	if err != nil {
		t.Fatal(err)
	}
	age(keep)
	age(found)
	if removed, err := s.Collect([]string{keep.Digest, found.Digest, "attached"}, week); err != nil || len(removed) != 0 {
		t.Errorf("removed %+v, %v although all is used", removed, err)
	}
	age(keep)
	age(drop)
	age(found)
	if _, err := s.Add(filepath.Join(dir, "found")); err != nil {
		t.Fatal(err)
	}
	removed, err := s.Collect([]string{keep.Digest}, week)
	if err != nil || len(removed) != 1 || removed[0].Digest != drop.Digest {
		t.Errorf("removed %+v, %v", removed, err)
	}
	if _, err := s.Get(found.Digest); err != nil {
		t.Errorf("what was found in the folder just now: %v", err)
	}
	if removed, err := s.Collect(nil, week); err != nil || len(removed) != 0 {
		t.Errorf("removed %+v, %v, which were used an hour ago at the most", removed, err)
	}
	if _, err := s.Get(drop.Digest); !errors.Is(err, store.ErrNotStored) {
		t.Errorf("got %v, want ErrNotStored", err)
	}
	if err := s.Verify(keep.Digest); err != nil {
		t.Error(err)
	}
}

func TestADigestCannotLeadOutOfTheStore(t *testing.T) {
	s := open(t)
	for _, d := range []string{"", "..", "../../etc", "ABC", digestOf(nil)[:63]} {
		if _, err := s.Get(d); !errors.Is(err, store.ErrNotStored) {
			t.Errorf("Get(%q): %v, want ErrNotStored", d, err)
		}
		if err := s.Verify(d); !errors.Is(err, store.ErrNotStored) {
			t.Errorf("Verify(%q): %v, want ErrNotStored", d, err)
		}
	}
}

func TestOpenRemovesAbandonedStages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	old, fresh := filepath.Join(dir, "new-old"), filepath.Join(dir, "new-fresh")
	os.MkdirAll(old, 0o700)
	os.MkdirAll(fresh, 0o700)
	os.Chmod(dir, 0o700)
	past := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(old, past, past); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the abandoned stage is still there: %v", err)
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Errorf("a stage in use was removed: %v", err)
	}
}
