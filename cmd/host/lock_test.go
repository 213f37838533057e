package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestALockThatLeavesAFileOutIsNoSuccess(t *testing.T) {
	dir := t.TempDir()
	plugins := filepath.Join(dir, "plugins")
	if err := os.Mkdir(plugins, 0o700); err != nil {
		t.Fatal(err)
	}
	lock := func(more ...string) int {
		root := newRoot()
		root.SetArgs(append(more, "--state-dir", filepath.Join(dir, "state"), "--runtime-dir", filepath.Join(dir, "run"),
			"--plugin-dir", plugins, "--set", "plugins.lock="+filepath.Join(dir, "plugins.lock"), "plugin", "lock"))
		err := root.ExecuteContext(t.Context())
		if err == nil {
			return exitOK
		}
		return exitCode(err)
	}
	if code := lock(); code != exitOK {
		t.Errorf("an empty folder: exit code %d", code)
	}
	if err := os.WriteFile(filepath.Join(plugins, "one"), []byte("#!/bin/sh\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, more := range [][]string{nil, {"--json"}} {
		if code := lock(more...); code != exitFailed {
			t.Errorf("a file that is no plugin, %v: exit code %d, want %d", more, code, exitFailed)
		}
	}
}
