package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/orch-host/orch/bench/internal/host"
	"github.com/orch-host/orch/bench/internal/report"
	"github.com/orch-host/orch/bench/load"
)

func main() {
	swaps := flag.Int("swaps", 100, "hot swaps in a row")
	plugins := flag.Int("plugins", 50, "plugins that one host starts")
	verbose := flag.Bool("v", false, "tell about each swap")
	flag.Parse()
	if err := run(context.Background(), *swaps, *plugins, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, swaps, plugins int, verbose bool) error {
	machine, _ := os.ReadFile("/proc/loadavg") // only for the reader
	fmt.Printf("load average at start: %s", machine)
	dir, err := os.MkdirTemp("", "orch-swap")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "load")
	if err := load.Build(ctx, ".", path); err != nil {
		return err
	}
	binary, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	r := report.New("swap")
	failed := measureSwaps(ctx, filepath.Join(dir, "a"), binary, swaps, verbose, r)
	if err := measureMany(ctx, filepath.Join(dir, "b"), binary, plugins, r); err != nil {
		return errors.Join(failed, err)
	}
	return errors.Join(failed, r.Print(os.Stdout), r.Save())
}

func measureSwaps(ctx context.Context, dir string, binary []byte, swaps int, verbose bool, r *report.Report) error {
	h, err := host.New(dir, service)
	if err != nil {
		return err
	}
	first, err := load.Variant(binary, load.Identity{Version: "1.0.0"})
	if err != nil {
		return err
	}
	place := filepath.Join(h.Plugins, "load")
	if err := load.Install(place, first); err != nil {
		return err
	}
	if _, err := h.Start(1); err != nil {
		return err
	}
	defer h.Stop()
	c, err := h.Client(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	o := load.Options{Client: c, Host: h.Admin, Queue: "load-queue", Binary: binary, Path: place, Runtime: h.Runtime, Swaps: swaps}
	if verbose {
		o.Logf = func(format string, args ...any) { fmt.Printf(format+"\n", args...) }
	}
	res, err := load.Run(ctx, o)
	if err != nil {
		return err
	}
	for _, text := range append(res.Failures, res.Leaks...) {
		fmt.Println("!", text)
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	note := fmt.Sprintf("%d swaps in a row under load", len(res.Swaps))
	r.Add("swap time p50", ms(res.Percentile(50)), "ms", note)
	r.Add("swap time p99", ms(res.Percentile(99)), "ms", note)
	r.AtMost("failed attempts", float64(len(res.Failures)), 0, "", fmt.Sprintf("of %d activities, at most %d in flight, %d outlived their version", res.Activities, res.InFlight, res.Outlived))
	r.AtMost("leaks", float64(len(res.Leaks)), 0, "", "kinds of processes, sockets, descriptors, goroutines")
	return nil
}

// measureMany starts a host with many plugins, for the first time and again.
func measureMany(_ context.Context, dir string, binary []byte, plugins int, r *report.Report) error {
	h, err := host.New(dir, service)
	if err != nil {
		return err
	}
	alone, err := once(h, binary, 0, 1)
	if err != nil {
		return err
	}
	first, err := once(h, binary, 1, plugins)
	if err != nil {
		return err
	}
	time.Sleep(3 * time.Second) // files this fresh are read again
	if _, err := once(h, binary, plugins, plugins); err != nil {
		return err
	}
	again, err := once(h, binary, plugins, plugins)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%d plugins", plugins)
	r.Add(name+" start, first time", first.took.Seconds(), "s", "each is copied, hashed and asked what it offers")
	r.AtMost(name+" start", again.took.Seconds(), 2, "s", "from the host's first line of log to the last plugin ready")
	r.AtMost(name+", host memory each", (again.memory-alone.memory)/float64(plugins-1), 1, "MB", "resident memory beyond that of a host with one")
	return nil
}
