package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/orch-host/orch/bench/internal/machine"
	"github.com/orch-host/orch/bench/internal/report"
	"github.com/orch-host/orch/hostcore/supervisor"
)

// coldStart times a plugin from exec to its manifest.
func (g *rig) coldStart(ctx context.Context, r *report.Report) error {
	binaries, refused := g.catalog.Find(ctx)
	if len(binaries) == 0 {
		return fmt.Errorf("no plugin can be started: %v", refused)
	}
	var times []float64
	for range 20 {
		began := time.Now()
		i, err := g.catalog.Launch(ctx, binaries[0])
		if err != nil {
			return err
		}
		times = append(times, float64(time.Since(began).Microseconds())/1000)
		i.Stop(ctx, time.Second)
	}
	r.Add("cold start to manifest, p50", median(times), "ms", "20 starts")
	return nil
}

// hostFigures runs the built host as a user would.
func hostFigures(dir string, r *report.Report) error {
	port, err := machine.FreePort()
	if err != nil {
		return err
	}
	ui, err := machine.FreePort()
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "orch.toml")
	pipelines, err := filepath.Abs("examples/pipelines")
	if err != nil {
		return err
	}
	plugins, err := filepath.Abs("bin/plugins")
	if err != nil {
		return err
	}
	text := fmt.Sprintf("[host]\nstate_dir=%q\nruntime_dir=%q\nlisten=\"\"\npipelines_dir=%q\n[plugins]\ndir=%q\nmode=\"off\"\n[temporal.embedded]\nport=%d\nui_port=%d\n[services.hello]\npipeline=\"hello\"\n",
		filepath.Join(dir, "host"), filepath.Join(dir, "hr"), pipelines, plugins, port, ui)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	first, err := firstActivity("--config", path, "run", "hello")
	if err != nil {
		return err
	}
	r.Add("host start to first activity, first run", first, "s", "embedded; makes the database and describes the plugins")
	again, err := firstActivity("--config", path, "run", "hello")
	if err != nil {
		return err
	}
	r.AtMost("host start to first activity, embedded", again, 1.5, "s", "")
	return residentMemory(dir, path, port, r)
}

// residentMemory reads the memory of a running host and its plugins, and times
// a second host on the server of the first.
func residentMemory(dir, path string, port int, r *report.Report) error {
	host := exec.Command("bin/host", "--config", path)
	if err := host.Start(); err != nil {
		return err
	}
	defer func() {
		_ = host.Process.Signal(syscall.SIGTERM)
		_ = host.Wait()
	}()
	var plugins []supervisor.Status
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		out, err := exec.Command("bin/host", "--config", path, "status", "--json").Output()
		if err == nil && strings.Contains(string(out), "hello") {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the host did not come up: %w", err)
		}
	}
	out, err := exec.Command("bin/host", "--config", path, "plugin", "list", "--json").Output()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out, &plugins); err != nil {
		return err
	}
	external, err := firstActivity("--config", path, "--temporal-mode", "external", "--temporal-address", fmt.Sprintf("127.0.0.1:%d", port),
		"--state-dir", filepath.Join(dir, "second"), "--runtime-dir", filepath.Join(dir, "hr2"), "run", "hello")
	if err != nil {
		return err
	}
	r.AtMost("host start to first activity, running server", external, 0.5, "s", "describes the plugins anew")
	rss, err := machine.Memory(host.Process.Pid)
	if err != nil {
		return err
	}
	r.AtMost("host RSS", rss, 60, "MB", "")
	for _, p := range plugins {
		rss, err := machine.Memory(p.Pid)
		if err != nil {
			return err
		}
		r.AtMost("plugin "+p.Name+" RSS", rss, 25, "MB", "")
	}
	return nil
}

// firstActivity is the time from exec to the first finished step, in seconds.
func firstActivity(args ...string) (float64, error) {
	cmd := exec.Command("bin/host", args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	cmd.Stderr = os.Stderr
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	took := 0.0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if took == 0 && strings.Contains(lines.Text(), "✓") {
			took = time.Since(began).Seconds()
		}
	}
	if err := cmd.Wait(); err != nil {
		return 0, fmt.Errorf("host %s: %w", strings.Join(args, " "), err)
	}
	if took == 0 {
		return 0, errors.New("the host showed no finished step")
	}
	return took, nil
}
