package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fence is a fenced block of a Markdown page.
type fence struct {
	lang string
	text string
	line int
}

func fences(t *testing.T, path string) []fence {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []fence
	var open *fence
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		text := lines.Text()
		switch {
		case strings.HasPrefix(text, "```") && open == nil:
			open = &fence{lang: strings.TrimPrefix(text, "```"), line: n}
		case strings.HasPrefix(text, "```"):
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += text + "\n"
		}
	}
	if open != nil {
		t.Fatalf("%s:%d: the block is not closed", path, open.line)
	}
	return all
}

// fileName is the file that a block is the content of: its first line is a
// comment with nothing but the name.
func (f fence) fileName() string {
	first, _, _ := strings.Cut(f.text, "\n")
	for _, mark := range []string{"// ", "# "} {
		if name, ok := strings.CutPrefix(first, mark); ok && !strings.ContainsRune(name, ' ') && strings.ContainsRune(name, '.') {
			return name
		}
	}
	return ""
}

// words makes a text comparable whatever its columns.
func words(s string) string { return strings.Join(strings.Fields(s), " ") }

func TestAGuideForPluginAuthorsWorksAsItIsWritten(t *testing.T) {
	const page = "../docs/plugin-authors.md"
	dir, err := os.MkdirTemp("/tmp", "orchdoc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	var script strings.Builder
	var seen []fence // what the reader is told to see
	script.WriteString("set -eu\n")
	for _, f := range fences(t, page) {
		switch name := f.fileName(); {
		case f.lang == "sh":
			script.WriteString(f.text)
		case f.lang == "text":
			seen = append(seen, f)
		case f.lang == "console": // something else than the walk through the guide
		case name != "":
			fmt.Fprintf(&script, "mkdir -p \"$(dirname %s)\"\ncat > %s <<'END-OF-FILE'\n%sEND-OF-FILE\n", name, name, f.text)
		default:
			t.Errorf("%s:%d: the block is neither a command (sh), nor output (text), nor a file, nor aside (console)", page, f.line)
		}
	}
	out, err := follow(t, dir, script.String())
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "work", "weather", "host.log"))
		t.Fatalf("following %s: %v\n%s\n-- host.log\n%s", page, err, out, log)
	}
	for _, f := range seen {
		for line := range strings.Lines(f.text) {
			if !strings.Contains(words(out), words(line)) {
				t.Errorf("%s:%d promises %q, which was not seen in:\n%s", page, f.line, strings.TrimSpace(line), out)
			}
		}
	}
}

// follow runs the script as a reader would, on a machine that is used by others.
func follow(t *testing.T, dir, script string) (string, error) {
	t.Helper()
	repo, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"bin", "work", "run"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// The SDK of this checkout is not released yet.
	write(t, filepath.Join(dir, "bin", "host"), 0o755, fmt.Sprintf(
		"#!/bin/sh\nif [ \"${1:-} ${2:-}\" = 'plugin new' ]; then set -- \"$@\" --sdk %q; fi\nexec %q \"$@\"\n", repo, bin("host")))
	goenv, err := exec.Command("go", "env", "GOPATH", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB", "GOFLAGS").Output()
	if err != nil {
		t.Fatal(err)
	}
	values := strings.Split(string(goenv), "\n")
	c := exec.Command("sh", "-c", script)
	c.Dir = filepath.Join(dir, "work")
	c.Env = []string{
		"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"), "HOME=" + dir, "LANG=C",
		"GOPATH=" + values[0], "GOCACHE=" + values[1], "GOMODCACHE=" + values[2], "GOPROXY=" + values[3], "GOSUMDB=" + values[4], "GOFLAGS=" + values[5],
		"ORCH_HOST__RUNTIME_DIR=" + filepath.Join(dir, "run"), "ORCH_HOST__LISTEN=127.0.0.1:0",
		fmt.Sprintf("ORCH_TEMPORAL__EMBEDDED__PORT=%d", freePort(t)), fmt.Sprintf("ORCH_TEMPORAL__EMBEDDED__UI_PORT=%d", freePort(t)),
	}
	out := &output{}
	c.Stdout, c.Stderr = out, out
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.WaitDelay = 30 * time.Second
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	end := func() { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) } // an error says that nobody is left
	limit := time.AfterFunc(5*patience, end)
	defer limit.Stop()
	err = c.Wait()
	end()
	return out.String(), err
}
