package store

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestAnUnchangedFileIsNotReadAgain(t *testing.T) {
	type place struct{ source, stored, digest string }
	later := func(t *testing.T, path string, content []byte) { // same size, same modification time
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name   string
		began  time.Duration // from now
		change func(t *testing.T, p place)
		hit    bool
	}{
		{"nothing has changed", time.Hour, func(*testing.T, place) {}, true},
		{"the file was fresh when it was read", 0, func(*testing.T, place) {}, false},
		{"the file was rewritten, its time set back", time.Hour, func(t *testing.T, p place) { later(t, p.source, []byte("BBBB")) }, false},
		{"the stored copy was rewritten, its time set back", time.Hour, func(t *testing.T, p place) { later(t, p.stored, []byte("BBBB")) }, false},
		{"the file was exchanged", time.Hour, func(t *testing.T, p place) {
			if err := os.Rename(p.source, p.source+".old"); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p.source, []byte("AAAA"), 0o755); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"the stored copy is gone", time.Hour, func(t *testing.T, p place) {
			if err := os.Remove(p.stored); err != nil {
				t.Fatal(err)
			}
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			p := place{source: filepath.Join(dir, "source"), stored: filepath.Join(dir, "stored"), digest: string(bytes.Repeat([]byte("a"), 64))}
			for _, path := range []string{p.source, p.stored} {
				if err := os.WriteFile(path, []byte("AAAA"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			info, err := os.Lstat(p.source)
			if err != nil {
				t.Fatal(err)
			}
			loadKnown(dir).remember(p.source, p.digest, info, p.stored, time.Now().Add(tt.began))
			time.Sleep(20 * time.Millisecond) // the clock of the file system moves on
			tt.change(t, p)
			if info, err = os.Lstat(p.source); err != nil {
				t.Fatal(err)
			}
			got, ok := loadKnown(dir).digest(p.source, info, func(string) string { return p.stored })
			if ok != tt.hit || (ok && got != p.digest) {
				t.Errorf("known as %q, %v; want a hit: %v", got, ok, tt.hit)
			}
		})
	}
}

func TestADamagedMemoryCostsNothingButTheReading(t *testing.T) {
	for _, text := range []string{"", "null", "{", `{"/x":{"digest":"../../etc"}}`, "[1]"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, knownName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		plugins := filepath.Join(t.TempDir(), "p")
		if err := os.Mkdir(plugins, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(plugins, "x"), []byte("AAAA"), 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Add(filepath.Join(plugins, "x")); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}
