package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/orch-host/orch/bench/internal/report"
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
	list = append(list, collectors(c)...)
	for _, e := range c.external {
		name, command, _ := strings.Cut(e, "=")
		list = append(list, variant{name: name, args: strings.Fields(command)})
	}
	return slices.DeleteFunc(list, func(v variant) bool { return !strings.Contains(v.name, c.only) })
}

// compare runs the variants in turn and prints the medians.
func compare(c config, dir, logs string) (map[string][]figures, error) {
	list := variants(c)
	results := map[string][]figures{}
	for round := range c.rounds {
		for i, v := range list {
			f, err := measure(c, v, filepath.Join(dir, fmt.Sprintf("state-%d-%d", round, i)), logs)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", v.name, err)
			}
			results[v.name] = append(results[v.name], f)
		}
	}
	fmt.Printf("%-20s %24s %10s %8s %8s %10s %8s\n", "variant", "wall s [min..max]", "klines/s", "MB/s", "CPU s", "us/line", "peak MB")
	for _, v := range list {
		fs := results[v.name]
		w, cpu := median(fs, wallSeconds), median(fs, cpuSeconds)
		fmt.Printf("%-20s %10.2f [%5.2f..%5.2f] %10.0f %8.0f %8.2f %10.3f %8.1f\n", v.name, w, slices.Min(each(fs, wallSeconds)), slices.Max(each(fs, wallSeconds)),
			float64(c.lines)/w/1e3, float64(c.lines)*float64(c.size)/w/1e6, cpu, cpu/float64(c.lines)*1e6, slices.Max(each(fs, peakMB)))
	}
	return results, nil
}

func wallSeconds(f figures) float64 { return f.wall.Seconds() }
func cpuSeconds(f figures) float64  { return f.cpu.Seconds() }
func peakMB(f figures) float64      { return float64(f.peak) / 1024 }

func each(all []figures, of func(figures) float64) []float64 {
	values := make([]float64, len(all))
	for i, f := range all {
		values[i] = of(f)
	}
	return values
}

func median(all []figures, of func(figures) float64) float64 {
	s := slices.Sorted(slices.Values(each(all, of)))
	return s[len(s)/2]
}

// judge compares the shipper with the collector.
func judge(c config, results map[string][]figures, r *report.Report) {
	note := fmt.Sprintf("medians of %d rounds, %d lines of %d bytes, batches of %d", c.rounds, c.lines, c.size, c.batch)
	peak := 0.0
	for name, fs := range results {
		if strings.HasPrefix(name, "shipper") {
			peak = max(peak, slices.Max(each(fs, peakMB)))
		}
	}
	rate := func(name string) float64 { return float64(c.lines) / median(results[name], wallSeconds) }
	both := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(n string) bool { return results[n] == nil })
	}
	if both("shipper none") {
		r.Add("lines per second", rate("shipper none"), "1/s", note+", uncompressed")
	}
	if both("shipper none", "collector none") {
		r.AtLeast("lines per second against the collector", rate("shipper none")/rate("collector none"), 4, "x", note+", uncompressed")
		r.AtMost("CPU per line against the collector", median(results["shipper none"], cpuSeconds)/median(results["collector none"], cpuSeconds), 0.2, "x", note+", uncompressed")
	}
	if both("shipper gzip 1", "collector gzip 1") {
		r.AtLeast("lines per second against the collector, gzip", rate("shipper gzip 1")/rate("collector gzip 1"), 2, "x", note+", level 1 on both sides")
	}
	if both("shipper zstd", "collector gzip 1") {
		r.AtLeast("lines per second, zstd against the collector's gzip", rate("shipper zstd")/rate("collector gzip 1"), 4, "x", note)
	}
	if both("shipper zstd", "collector zstd") {
		r.Add("lines per second against the collector, zstd", rate("shipper zstd")/rate("collector zstd"), "x", note)
	}
	r.AtMost("peak memory", peak, 40, "MB", "of any variant of the shipper")
}

// collectorConfig is what the shipper does, for the collector: file_log with its
// rotation checks, to otlphttp in batches of the same size by as many senders.
const collectorConfig = `
receivers:
  filelog:
    include: ["${env:SHIP_FILES}"]
    start_at: beginning
exporters:
  otlphttp:
    endpoint: ${env:SHIP_ENDPOINT}
    compression: %s
    %s
    sending_queue:
      num_consumers: %d
      queue_size: 1000000
      sizer: items
      block_on_overflow: true
      batch: {flush_timeout: 200ms, min_size: %d, max_size: %d, sizer: items}
service:
  telemetry: {metrics: {level: none}, logs: {level: error}}
  pipelines:
    logs: {receivers: [filelog], exporters: [otlphttp]}
`

func collectors(c config) []variant {
	if c.collector == "" {
		return nil
	}
	one := func(name, compression, params string) variant {
		return variant{name: "collector " + name, args: []string{c.collector, "--config=yaml:" + fmt.Sprintf(collectorConfig, compression, params, c.senders, c.batch, c.batch)}}
	}
	return []variant{
		one("none", "none", ""),
		one("gzip 1", "gzip", "compression_params: {level: 1}"),
		one("zstd", "zstd", "compression_params: {level: 1}"),
	}
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
