package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// variant is one way to ship the lines.
type variant struct {
	name string
	env  []string
	args []string // of an external program; none: our shipper
}

type figures struct {
	wall, cpu time.Duration
	peak      int64 // KB
}

func variants(c config) []variant {
	list := []variant{
		{name: "shipper none", env: []string{"SHIP_COMPRESSION=none"}},
		{name: "shipper gzip 1", env: []string{"SHIP_COMPRESSION=gzip"}},
		{name: "shipper gzip 6", env: []string{"SHIP_COMPRESSION=gzip", "SHIP_LEVEL=6"}},
		{name: "shipper zstd", env: []string{"SHIP_COMPRESSION=zstd"}},
		{name: "shipper JSON none", env: []string{"SHIP_COMPRESSION=none", "SHIP_ENCODING=json"}},
	}
	for _, e := range c.external {
		name, command, _ := strings.Cut(e, "=")
		list = append(list, variant{name: name, args: strings.Fields(command)})
	}
	return slices.DeleteFunc(list, func(v variant) bool { return !strings.Contains(v.name, c.only) })
}

// compare runs the variants in turn and prints the medians.
func compare(c config, dir, logs string) error {
	list := variants(c)
	results := make([][]figures, len(list))
	for round := range c.rounds {
		for i, v := range list {
			f, err := measure(c, v, filepath.Join(dir, fmt.Sprintf("state-%d-%d", round, i)), logs)
			if err != nil {
				return fmt.Errorf("%s: %w", v.name, err)
			}
			results[i] = append(results[i], f)
		}
	}
	fmt.Printf("%-20s %24s %10s %8s %8s %10s %8s\n", "variant", "wall s [min..max]", "klines/s", "MB/s", "CPU s", "us/line", "peak MB")
	for i, v := range list {
		walls, cpus, peaks := []float64{}, []float64{}, []float64{}
		for _, f := range results[i] {
			walls, cpus, peaks = append(walls, f.wall.Seconds()), append(cpus, f.cpu.Seconds()), append(peaks, float64(f.peak)/1024)
		}
		w, cpu := median(walls), median(cpus)
		fmt.Printf("%-20s %10.2f [%5.2f..%5.2f] %10.0f %8.0f %8.2f %10.3f %8.1f\n", v.name, w, slices.Min(walls), slices.Max(walls),
			float64(c.lines)/w/1e3, float64(c.lines)*float64(c.size)/w/1e6, cpu, cpu/float64(c.lines)*1e6, slices.Max(peaks))
	}
	return nil
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

func measure(c config, v variant, state, logs string) (f figures, err error) {
	if err := os.MkdirAll(state, 0o755); err != nil {
		return f, err
	}
	s, err := startSink(c.lines)
	if err != nil {
		return f, err
	}
	defer s.stop()
	env := append(v.env, "SHIP_ENDPOINT="+s.url, "SHIP_FILES="+filepath.Join(logs, "*.log"), "SHIP_STATE="+state,
		fmt.Sprintf("SHIP_BATCH=%d", c.batch), fmt.Sprintf("SHIP_SENDERS=%d", c.senders))
	var cmd *exec.Cmd
	if len(v.args) == 0 {
		if cmd, err = child("shipper", env...); err != nil {
			return f, err
		}
	} else {
		cmd = exec.Command(v.args[0], v.args[1:]...)
		cmd.Env = append(os.Environ(), env...)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return f, err
	}
	err = s.wait(10 * time.Minute)
	f.wall = time.Since(began)
	f.peak = peakOf(cmd.Process.Pid)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	f.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return f, err
}
