// Command pipelines measures how long LogsPipelineWorkflow takes, against
// docker-compose with the same images and configurations: "up -d" and then
// waiting until all three components are ready. Cold is without containers and
// volumes, warm with everything in place. Rounds alternate.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/orch-host/orch/bench/internal/host"
	"github.com/orch-host/orch/bench/internal/machine"
	"github.com/orch-host/orch/bench/internal/report"
)

const (
	collectorImage = "orch/otelcol:0.155.0"
	lokiImage      = "orch/loki:3.7.8"
	grafanaImage   = "orch/standin-grafana:12"
)

func main() {
	rounds := flag.Int("rounds", 5, "alternating rounds")
	flag.Parse()
	if err := run(context.Background(), *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// side is one of the two that are compared.
type side struct {
	name       string
	up         func(context.Context) error // returns when all three are ready
	down       func(context.Context) error // containers, volumes and networks
	cold, warm []time.Duration
}

func run(ctx context.Context, rounds int) (err error) {
	load, _ := os.ReadFile("/proc/loadavg") // only for the reader
	fmt.Printf("load average at start: %s", load)
	dir, err := os.MkdirTemp("", "orch-pipelines")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ours, stop, err := orch(filepath.Join(dir, "orch"))
	if err != nil {
		return err
	}
	defer stop()
	defer func() { err = errors.Join(err, ours.down(ctx)) }()
	if err := ours.up(ctx); err != nil { // also gives compose the configurations
		return err
	}
	theirs, err := compose(ctx, filepath.Join(dir, "compose"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, theirs.down(ctx)) }()
	if err := ours.down(ctx); err != nil {
		return err
	}
	for i := range rounds {
		for _, s := range []*side{ours, theirs} {
			if err := s.measure(ctx); err != nil {
				return fmt.Errorf("%s, round %d: %w", s.name, i+1, err)
			}
		}
	}
	r := report.New("pipelines")
	note := fmt.Sprintf("median of %d rounds; collector, Loki, Grafana stand-in", rounds)
	r.Add("logs pipeline cold", median(ours.cold).Seconds(), "s", note)
	r.Add("compose up and ready, cold", median(theirs.cold).Seconds(), "s", note)
	r.AtMost("logs pipeline cold against compose", median(ours.cold).Seconds()/median(theirs.cold).Seconds(), 1, "x", note)
	r.Add("compose up and ready, warm", float64(median(theirs.warm).Milliseconds()), "ms", note)
	r.AtMost("logs pipeline warm", float64(median(ours.warm).Milliseconds()), 300, "ms", note)
	return errors.Join(r.Print(os.Stdout), r.Save())
}

// measure takes one cold and three warm times.
func (s *side) measure(ctx context.Context) error {
	if err := s.down(ctx); err != nil {
		return err
	}
	for i := range 4 {
		began := time.Now()
		if err := s.up(ctx); err != nil {
			return err
		}
		if took := time.Since(began); i == 0 {
			s.cold = append(s.cold, took)
		} else {
			s.warm = append(s.warm, took)
		}
	}
	fmt.Printf("%-8s cold %5.2f s, warm %s\n", s.name, s.cold[len(s.cold)-1].Seconds(), s.warm[len(s.warm)-3:])
	return s.down(ctx)
}

func median(all []time.Duration) time.Duration {
	all = slices.Clone(all)
	slices.Sort(all)
	return all[len(all)/2]
}

// orch is a running host on which the workflow is started as any client would.
func orch(dir string) (*side, func(), error) {
	ports, err := ports()
	if err != nil {
		return nil, nil, err
	}
	h, err := host.New(dir, fmt.Sprintf(`
[plugins.observability.config]
stack = "orchbench"
collector = { image = %q, grpc_port = %d, http_port = %d }
loki = { image = %q, port = %d }
grafana = { image = %q, port = %d }
[services.logs]
workflow = "LogsPipelineWorkflow"
`, collectorImage, ports[0], ports[1], lokiImage, ports[2], grafanaImage, ports[3]))
	if err != nil {
		return nil, nil, err
	}
	binary, err := os.ReadFile("bin/plugins/observability")
	if err == nil {
		err = os.WriteFile(filepath.Join(h.Plugins, "observability"), binary, 0o755)
	}
	if err != nil {
		return nil, nil, err
	}
	if _, err := h.Start(1); err != nil {
		return nil, nil, err
	}
	c, err := h.Client(context.Background())
	if err != nil {
		h.Stop()
		return nil, nil, err
	}
	up := func(ctx context.Context) error {
		w, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: "logs_1", TaskQueue: "logs-queue"}, "LogsPipelineWorkflow", map[string]any{})
		if err != nil {
			return err
		}
		return w.Get(ctx, nil)
	}
	down := func(ctx context.Context) error { return remove(ctx, "orchbench") }
	return &side{name: "orch", up: up, down: down}, func() { c.Close(); h.Stop() }, nil
}

// remove takes away what carries the stack's label.
func remove(ctx context.Context, stack string) error {
	_, err := output(ctx, "", "sh", "-c", fmt.Sprintf(`f=label=orch.service=%s
c=$(docker ps -aq --filter $f); [ -z "$c" ] || docker rm -f $c
v=$(docker volume ls -q --filter $f); [ -z "$v" ] || docker volume rm $v
n=$(docker network ls -q --filter $f); [ -z "$n" ] || docker network rm $n`, stack))
	return err
}

func ports() ([5]int, error) {
	var all [5]int
	var err error
	for i := range all {
		if all[i], err = machine.FreePort(); err != nil {
			return all, err
		}
	}
	return all, nil
}

// compose is a project with the same three, configured by the same files.
func compose(ctx context.Context, dir string) (*side, error) {
	command := []string{"docker-compose"}
	if _, err := exec.LookPath(command[0]); err != nil {
		command = []string{"docker", "compose"}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	for from, to := range map[string]string{
		"orchbench-collector:/etc/otelcol/orch.yaml": "otelcol.yaml", "orchbench-loki:/etc/loki/orch.yaml": "loki.yaml",
		"orchbench-grafana:/etc/grafana": "grafana",
	} {
		if _, err := output(ctx, dir, "docker", "cp", from, to); err != nil {
			return nil, err
		}
	}
	p, err := ports()
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf(`version: "3.7"
services:
  collector:
    image: %s
    user: "0:0"
    command: ["--config=/etc/otelcol/orch.yaml"]
    volumes: ["./otelcol.yaml:/etc/otelcol/orch.yaml:ro", "collector:/var/lib/otelcol/data"]
    ports: ["127.0.0.1:%d:4318", "127.0.0.1:%d:13133"]
    restart: unless-stopped
  loki:
    image: %s
    user: "0:0"
    command: ["-config.file=/etc/loki/orch.yaml"]
    volumes: ["./loki.yaml:/etc/loki/orch.yaml:ro", "loki:/var/lib/loki/data"]
    ports: ["127.0.0.1:%d:3100"]
    restart: unless-stopped
  grafana:
    image: %s
    environment: {GF_SECURITY_ADMIN_PASSWORD: benchmark}
    volumes: ["./grafana:/etc/grafana:ro", "grafana:/var/lib/grafana"]
    ports: ["127.0.0.1:%d:3000"]
    restart: unless-stopped
volumes: {collector: {}, loki: {}, grafana: {}}
`, collectorImage, p[0], p[1], lokiImage, p[2], grafanaImage, p[3])
	if err := os.WriteFile(filepath.Join(dir, "docker-compose.yaml"), []byte(text), 0o600); err != nil {
		return nil, err
	}
	compose := func(ctx context.Context, args ...string) error {
		_, err := output(ctx, dir, append(append(slices.Clone(command), "-p", "orchbenchcompose"), args...)...)
		return err
	}
	return &side{
		name: "compose",
		up: func(ctx context.Context) error {
			if err := compose(ctx, "up", "-d"); err != nil {
				return err
			}
			return ready(ctx, fmt.Sprintf("http://127.0.0.1:%d/", p[1]), fmt.Sprintf("http://127.0.0.1:%d/ready", p[2]), fmt.Sprintf("http://127.0.0.1:%d/api/health", p[3]))
		},
		down: func(ctx context.Context) error { return compose(ctx, "down", "-v", "-t", "1") },
	}, nil
}

// ready asks each address every 50 ms until it answers 200.
func ready(ctx context.Context, addresses ...string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, a := range addresses {
		for {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, a, nil)
			if err != nil {
				return err
			}
			resp, err := http.DefaultClient.Do(req)
			if err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode == http.StatusOK {
					break
				}
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s is not ready: %w", a, errors.Join(err, ctx.Err()))
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	return nil
}

func output(ctx context.Context, dir string, command ...string) (string, error) {
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), err, out)
	}
	return string(out), nil
}
