package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

type config struct {
	lines, size, files, rounds, idle, batch, senders int
	dir                                              string
	external                                         externals
	only                                             string
}

// externals are programs to compare with: name=command line.
type externals []string

func (e *externals) String() string     { return strings.Join(*e, ", ") }
func (e *externals) Set(v string) error { *e = append(*e, v); return nil }

func main() {
	switch os.Getenv(roleEnv) {
	case "sink":
		exitOn(runSink())
		return
	case "shipper":
		exitOn(runShipper())
		return
	}
	var c config
	flag.IntVar(&c.lines, "lines", 2_500_000, "lines to ship")
	flag.IntVar(&c.size, "size", 200, "bytes per line, line end included")
	flag.IntVar(&c.files, "files", 1, "files that the lines are spread over")
	flag.IntVar(&c.rounds, "rounds", 3, "rounds; the figures are medians")
	flag.IntVar(&c.idle, "idle", 0, "measure idle CPU with this many files instead")
	flag.IntVar(&c.batch, "batch", 1000, "records per request")
	flag.IntVar(&c.senders, "senders", 2, "requests in flight")
	flag.StringVar(&c.dir, "dir", "", "folder for the files (default: a temporary one)")
	flag.StringVar(&c.only, "only", "", "run only variants whose name contains this")
	flag.Var(&c.external, "external", "name=command of a program to compare with; may be given more than once")
	flag.Parse()
	exitOn(run(c))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "ship:", err)
		os.Exit(1)
	}
}

func run(c config) error {
	dir := c.dir
	if dir == "" {
		tmp, err := os.MkdirTemp("", "orch-ship-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		dir = tmp
	}
	if c.idle > 0 {
		return idle(c, dir)
	}
	logs := filepath.Join(dir, "logs")
	if err := writeInput(logs, c); err != nil {
		return fmt.Errorf("write the lines: %w", err)
	}
	fmt.Printf("%d lines of %d bytes in %d files, batches of %d, %d senders\n", c.lines, c.size, c.files, c.batch, c.senders)
	return compare(c, dir, logs)
}

// child starts this binary in another role.
func child(role string, env ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(append(os.Environ(), roleEnv+"="+role), env...)
	cmd.Stderr = os.Stderr
	return cmd, nil
}

const roleEnv = "ORCH_SHIP_ROLE"

func idle(c config, dir string) error {
	c.files, c.lines = c.idle, c.idle
	logs := filepath.Join(dir, "logs")
	if err := writeInput(logs, c); err != nil {
		return err
	}
	s, err := startSink(c.lines)
	if err != nil {
		return err
	}
	defer s.stop()
	cmd, err := child("shipper", "SHIP_ENDPOINT="+s.url, "SHIP_FILES="+filepath.Join(logs, "*.log"), "SHIP_STATE="+filepath.Join(dir, "state"))
	if err != nil {
		return err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	if err := s.wait(5 * time.Minute); err != nil {
		return err
	}
	fmt.Printf("%d files with one line each: the last line arrived after %s\n", c.idle, time.Since(began).Round(time.Millisecond))
	time.Sleep(3 * time.Second) // until the last checkpoint is written
	const span = 20 * time.Second
	before, err := cpuOf(cmd.Process.Pid)
	if err != nil {
		return err
	}
	time.Sleep(span)
	after, err := cpuOf(cmd.Process.Pid)
	if err != nil {
		return err
	}
	fmt.Printf("idle CPU over %s: %.2f %% of a core, memory %s, peak %s, descriptors %d\n", span,
		100*(after-before).Seconds()/span.Seconds(), memoryOf(cmd.Process.Pid, "VmRSS"), memoryOf(cmd.Process.Pid, "VmHWM"), descriptorsOf(cmd.Process.Pid))
	return nil
}
