package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/orch-host/orch/bench/internal/report"
)

type config struct {
	lines, size, files, rounds, batch, senders int
	dir                                        string
	collector                                  string // binary
	external                                   externals
	only                                       string
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
	flag.StringVar(&c.collector, "collector", "", "binary of an OpenTelemetry Collector with filelog and otlphttp, to compare with")
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
	r := report.New("ship")
	logs := filepath.Join(dir, "logs")
	if err := writeInput(logs, c); err != nil {
		return fmt.Errorf("write the lines: %w", err)
	}
	fmt.Printf("%d lines of %d bytes in %d files, batches of %d, %d senders\n", c.lines, c.size, c.files, c.batch, c.senders)
	results, err := compare(c, dir, logs)
	if err != nil {
		return err
	}
	judge(c, results, r)
	if c.only == "" {
		if err := many(c, filepath.Join(dir, "many"), results, r); err != nil {
			return err
		}
		if err := idle(c, filepath.Join(dir, "idle"), r); err != nil {
			return err
		}
	}
	return errors.Join(r.Print(os.Stdout), r.Save())
}

const manyFiles = 10_000

// many ships as many lines out of many files.
func many(c config, dir string, one map[string][]figures, r *report.Report) error {
	c.files, c.rounds, c.collector, c.external, c.only = manyFiles, 1, "", nil, "shipper none"
	logs := filepath.Join(dir, "logs")
	if err := writeInput(logs, c); err != nil {
		return fmt.Errorf("write the lines: %w", err)
	}
	results, err := compare(c, dir, logs)
	if err != nil {
		return err
	}
	cpu := median(results["shipper none"], cpuSeconds) / median(one["shipper none"], cpuSeconds)
	r.AtMost(fmt.Sprintf("CPU per line with %d files against %d", manyFiles, 1), cpu, 1.25, "x", "flat: no cost for a file")
	r.AtMost(fmt.Sprintf("peak memory with %d files", manyFiles), slices.Max(each(results["shipper none"], peakMB)), 40, "MB", "their state is kept in memory")
	return os.RemoveAll(dir)
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

// idle tails many files into which nobody writes.
func idle(c config, dir string, r *report.Report) error {
	c.files, c.lines = manyFiles, manyFiles
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
	fmt.Printf("%d files with one line each: the last line arrived after %s\n", c.files, time.Since(began).Round(time.Millisecond))
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
	r.AtMost(fmt.Sprintf("idle CPU with %d files", c.files), 100*(after-before).Seconds()/span.Seconds(), 2, "% of a core",
		fmt.Sprintf("over %s; memory %s, %d descriptors", span, memoryOf(cmd.Process.Pid, "VmRSS"), descriptorsOf(cmd.Process.Pid)))
	return nil
}
