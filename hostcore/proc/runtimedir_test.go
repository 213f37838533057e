package proc_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orch-host/orch/hostcore/proc"
)

func TestARuntimeFolderInWhichOthersCouldExchangeASocketIsRefused(t *testing.T) {
	give := func(t *testing.T, path string) {
		if os.Lchown(path, 65534, 65534) != nil {
			t.Skip("only root can give a folder away")
		}
	}
	tests := []struct {
		name string
		make func(t *testing.T, dir string) error
		want string // empty: it is used
	}{
		{"its own", func(*testing.T, string) error { return nil }, ""},
		{"one that others may write to", func(_ *testing.T, dir string) error { return os.Chmod(dir, 0o777) }, "chmod go-w"},
		{"one like /tmp", func(_ *testing.T, dir string) error { return os.Chmod(dir, 0o777|os.ModeSticky) }, ""},
		{"one that another user has made", func(t *testing.T, dir string) error { give(t, dir); return nil }, "belongs to another user (uid 65534"},
		{"another user's link to its own", func(t *testing.T, dir string) error {
			err := errors.Join(os.Rename(dir, dir+"2"), os.Symlink(dir+"2", dir))
			give(t, dir)
			return err
		}, "belongs to another user (uid 65534"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			spec := specOf(t, "good")
			spec.RuntimeDir = filepath.Join(runtimeDir(t), "r")
			if err := errors.Join(os.Mkdir(spec.RuntimeDir, 0o700), tt.make(t, spec.RuntimeDir)); err != nil {
				t.Fatal(err)
			}
			p, err := proc.Start(t.Context(), spec)
			if err == nil {
				if err := p.Stop(t.Context(), 0); err != nil {
					t.Error(err)
				}
			}
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
