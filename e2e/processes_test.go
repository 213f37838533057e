package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// processes lists what lives and belongs to the rig: its folders are in the
// command line (host, Temporal), the binary's path (plugins) or the environment
// (what a plugin started). The host binary itself lies elsewhere.
func (r *rig) processes() []string {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		r.t.Fatalf("read /proc: %v", err)
	}
	var found []string
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		at := filepath.Join("/proc", e.Name())
		exe, _ := os.Readlink(filepath.Join(at, "exe")) // a process that has gone meanwhile matches nothing
		cmdline, _ := os.ReadFile(filepath.Join(at, "cmdline"))
		environ, _ := os.ReadFile(filepath.Join(at, "environ"))
		all := bytes.Join([][]byte{[]byte(exe), cmdline, environ}, []byte{0})
		if bytes.Contains(all, []byte(r.dir+"/")) || bytes.Contains(all, []byte(r.runtime+"/")) {
			found = append(found, fmt.Sprintf("%d %s", pid, bytes.ReplaceAll(cmdline, []byte{0}, []byte{' '})))
		}
	}
	return found
}

// gone waits until no process of the rig lives, and lists those that do not go.
func (r *rig) gone(within time.Duration) []string {
	for end := time.Now().Add(within); ; time.Sleep(50 * time.Millisecond) {
		left := r.processes()
		if len(left) == 0 || time.Now().After(end) {
			return left
		}
	}
}

// checkSockets wants exactly the living host's socket and one folder for each of
// its plugin processes in the runtime folder.
func (r *rig) checkSockets(hostPid, plugins int) {
	r.t.Helper()
	r.eventually("the runtime folder holds nothing stale", func() error {
		entries, err := os.ReadDir(r.runtime)
		if err != nil {
			return err
		}
		folders := 0
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
			if !e.IsDir() {
				continue
			}
			folders++
			if !strings.HasPrefix(e.Name(), strconv.Itoa(hostPid)+"-") {
				return fmt.Errorf("%s is not of host %d", e.Name(), hostPid)
			}
		}
		if folders != plugins {
			return fmt.Errorf("want %d socket folders, got %v", plugins, names)
		}
		return nil
	})
}
