// Command cluster measures hosts on the compose stack (Temporal on PostgreSQL):
// activities per second with one host and with two, and what encryption, metrics
// and traces cost together. Rounds alternate; ratios count.
package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/orch-host/orch/bench/internal/host"
	"github.com/orch-host/orch/bench/internal/machine"
	"github.com/orch-host/orch/bench/internal/report"
	"github.com/orch-host/orch/hostcore/infra"
)

const (
	queue     = "bench-queue"
	steps     = 10 // activities of one workflow, one after the other
	workflows = 60 // of one round
	parallel  = 20
)

// pipeline is what each workflow does.
const pipeline = `
name: bench
steps:
  - id: all
    foreach: "[1,2,3,4,5,6,7,8,9,10]"
    steps:
      - activity: greet
        input: {name: "a name of some length, so that there is something to encrypt"}
`

func main() {
	rounds := flag.Int("rounds", 7, "alternating rounds")
	flag.Parse()
	if err := run(context.Background(), *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// setup is one of those that are compared.
type setup struct {
	name  string
	more  string // TOML below [host]
	hosts int
	rates []float64 // activities per second
}

func run(ctx context.Context, rounds int) (err error) {
	load, _ := os.ReadFile("/proc/loadavg") // only for the reader
	fmt.Printf("load average at start: %s", load)
	dir, err := os.MkdirTemp("/tmp", "orch-cluster")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	address, down, err := stack(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, down()) }()
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer receiver.Close()
	full := fmt.Sprintf("listen = \"127.0.0.1:0\"\notlp_endpoint = %q\n[temporal.encryption]\nkey_id = \"k\"\n[temporal.encryption.keys.k]\nkey = \"env:BENCH_KEY\"\n", receiver.URL)
	metrics := "listen = \"127.0.0.1:0\"\n"
	traces := fmt.Sprintf("listen = \"127.0.0.1:0\"\notlp_endpoint = %q\n", receiver.URL)
	setups := []*setup{
		{name: "plain", more: "listen = \"\"\n", hosts: 1}, {name: "two hosts", more: "listen = \"\"\n", hosts: 2},
		{name: "metrics", more: metrics, hosts: 1}, {name: "metrics and traces", more: traces, hosts: 1}, {name: "all", more: full, hosts: 1},
	}
	for i := range rounds + 1 { // the first one warms up
		for n, s := range setups {
			rate, err := s.measure(ctx, filepath.Join(dir, fmt.Sprintf("%d-%d", i, n)), address, base64.StdEncoding.EncodeToString(key))
			if err != nil {
				return fmt.Errorf("%s, round %d: %w", s.name, i, err)
			}
			if i > 0 {
				s.rates = append(s.rates, rate)
				fmt.Printf("%-20s %6.0f activities/s\n", s.name, rate)
			}
		}
	}
	r := report.New("cluster")
	note := fmt.Sprintf("median of %d rounds, %d workflows of %d activities, %d at a time; Temporal, PostgreSQL and all hosts share this machine", rounds, workflows, steps, parallel)
	r.Add("one host", median(setups[0].rates), "activities/s", note)
	r.Add("two hosts", median(setups[1].rates), "activities/s", note)
	r.Add("two hosts against one", median(ratios(setups[1], setups[0])), "x", note)
	r.Add("cost of metrics", 100*(median(ratios(setups[0], setups[2]))-1), "%", note)
	r.Add("cost of metrics and traces", 100*(median(ratios(setups[0], setups[3]))-1), "%", note)
	r.AtMost("cost of encryption, metrics and traces", 100*(median(ratios(setups[0], setups[4]))-1), 10, "%", note)
	return errors.Join(r.Print(os.Stdout), r.Save())
}

// stack brings up Temporal on PostgreSQL under a name of its own.
func stack(ctx context.Context, dir string) (address string, down func() error, err error) {
	for _, name := range []string{"TEMPORAL_PORT", "UI_PORT"} {
		port, err := machine.FreePort()
		if err != nil {
			return "", nil, err
		}
		if err := os.Setenv(name, fmt.Sprint(port)); err != nil {
			return "", nil, err
		}
	}
	if err := os.Setenv("PREFIX", "orchbench-"); err != nil {
		return "", nil, err
	}
	s, err := infra.Open(filepath.Join(dir, "infra"), io.Discard)
	if err != nil {
		return "", nil, err
	}
	down = func() error { return s.Down(context.WithoutCancel(ctx), true) }
	if address, err = s.Up(ctx); err != nil {
		return "", nil, errors.Join(err, down())
	}
	return address, down, nil
}

// measure starts the hosts, puts them under load and ends them.
func (s *setup) measure(ctx context.Context, dir, address, key string) (rate float64, err error) {
	var c client.Client
	for i := range s.hosts {
		h, err := s.host(filepath.Join(dir, fmt.Sprint(i)), address, key, i)
		if err != nil {
			return 0, err
		}
		defer h.Stop()
		if c != nil {
			continue
		}
		if c, err = h.Client(ctx); err != nil {
			return 0, err
		}
		defer c.Close()
	}
	if err := burst(ctx, c, parallel); err != nil { // warms up
		return 0, err
	}
	began := time.Now()
	if err := burst(ctx, c, workflows); err != nil {
		return 0, err
	}
	return workflows * steps / time.Since(began).Seconds(), nil
}

func (s *setup) host(dir, address, key string, n int) (*host.Host, error) {
	h, err := host.NewOn(dir, address, fmt.Sprintf("name = \"bench%d\"\nlog_level = \"warn\"\n", n)+s.more+"[services.bench]\npipeline = \"bench\"\n")
	if err != nil {
		return nil, err
	}
	h.Env = []string{"BENCH_KEY=" + key}
	binary, err := os.ReadFile("bin/plugins/greeter")
	if err == nil {
		err = os.WriteFile(filepath.Join(h.Plugins, "greeter"), binary, 0o755)
	}
	if err == nil {
		err = os.Mkdir(filepath.Join(dir, "pipelines"), 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "pipelines", "bench.yaml"), []byte(pipeline), 0o644)
	}
	if err != nil {
		return nil, err
	}
	_, err = h.Start(1)
	return h, err
}

// burst runs n workflows, some at a time.
func burst(ctx context.Context, c client.Client, n int) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs error
	next := make(chan struct{}, n)
	for range n {
		next <- struct{}{}
	}
	close(next)
	for range parallel {
		wg.Go(func() {
			for range next {
				w, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: queue}, "pipeline/bench", map[string]any{})
				if err == nil {
					err = w.Get(ctx, nil)
				}
				if err != nil {
					mu.Lock()
					errs = errors.Join(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return errs
}

// ratios compares the rounds of a with those of b, one by one.
func ratios(a, b *setup) []float64 {
	var all []float64
	for i := range a.rates {
		all = append(all, a.rates[i]/b.rates[i])
	}
	return all
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}
