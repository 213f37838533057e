package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
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
	if err := os.WriteFile(filepath.Join(plugins, "one"), []byte("#!/bin/sh\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, more := range [][]string{nil, {"--json"}} {
		if code := lock(more...); code != exitFailed {
			t.Errorf("a file that is no plugin, %v: exit code %d, want %d", more, code, exitFailed)
		}
	}
}

func TestALockOfNothingKeepsTheLockFile(t *testing.T) {
	dir := t.TempDir()
	const locked = "what was trusted before"
	file, plugins := filepath.Join(dir, "plugins.lock"), filepath.Join(dir, "plugins")
	if err := os.WriteFile(file, []byte(locked), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []struct {
		name string
		make func() error
	}{
		{"a folder that is not there", func() error { return nil }},
		{"a file in place of the folder", func() error { return os.WriteFile(plugins, []byte("x"), 0o600) }},
		{"a folder that others can write to", func() error { return errors.Join(os.Mkdir(plugins, 0o700), os.Chmod(plugins, 0o777)) }},
		{"an empty folder", func() error { return os.Mkdir(plugins, 0o700) }},
	} {
		t.Run(folder.name, func(t *testing.T) {
			if err := errors.Join(os.RemoveAll(plugins), folder.make()); err != nil {
				t.Fatal(err)
			}
			root := newRoot()
			root.SetArgs([]string{"--state-dir", filepath.Join(dir, "state"), "--runtime-dir", filepath.Join(dir, "run"),
				"--plugin-dir", plugins, "--set", "plugins.lock=" + file, "plugin", "lock"})
			err := root.ExecuteContext(t.Context())
			if err == nil || exitCode(err) != exitFailed || !strings.Contains(err.Error(), plugins) {
				t.Errorf("%v", err)
			}
			if text, err := os.ReadFile(file); err != nil || string(text) != locked {
				t.Errorf("the lock file holds %q now, %v", text, err)
			}
			if _, err := os.Stat(plugins); folder.name == "a folder that is not there" && err == nil {
				t.Error("the folder was made")
			}
		})
	}
}
