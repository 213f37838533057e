package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAConfigurationIsWrittenWhereNoFolderIsYet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "etc", "orch", "orch.toml")
	for i, want := range []int{exitOK, exitUsage} {
		root := newRoot()
		root.SetArgs([]string{"config", "init", path})
		code := exitOK
		if err := root.Execute(); err != nil {
			code = exitCode(err)
		}
		if code != want {
			t.Errorf("call %d: exit code %d, want %d", i+1, code, want)
		}
	}
	if text, err := os.ReadFile(path); err != nil || len(text) == 0 {
		t.Errorf("%v", err)
	}
}
