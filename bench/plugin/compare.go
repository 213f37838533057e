package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"golang.org/x/sync/errgroup"

	"github.com/orch-host/orch/bench/internal/report"
)

const (
	pluginActivity = "bench_plugin"
	inProcess      = "bench_inprocess"
)

type data struct {
	Data string `json:"data"`
}

func register(r worker.Registry) {
	r.RegisterWorkflowWithOptions(chain, workflow.RegisterOptions{Name: "bench_chain"})
	r.RegisterActivityWithOptions(func(_ context.Context, d data) (data, error) { return d, nil }, activity.RegisterOptions{Name: inProcess})
}

// chain runs n activities one after the other and returns what each took, in
// microseconds. It reads the clock, which a workflow must not do: it is never
// replayed.
func chain(ctx workflow.Context, name string, n int, payload string) ([]int64, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute, HeartbeatTimeout: 30 * time.Second, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}})
	took := make([]int64, n)
	for i := range took {
		began := time.Now()
		var out data
		if err := workflow.ExecuteActivity(ctx, name, data{payload}).Get(ctx, &out); err != nil {
			return nil, err
		}
		if len(out.Data) != len(payload) {
			return nil, fmt.Errorf("%s returned %d bytes of %d", name, len(out.Data), len(payload))
		}
		took[i] = time.Since(began).Microseconds()
	}
	return took, nil
}

// shape is one figure: how many workflows at once, how many activities in each,
// with how much data.
type shape struct {
	name            string
	workflows, each int
	bytes           int
	limit           float64 // of the ratio; 0: none
}

// compare measures every shape in alternating rounds.
func (g *rig) compare(ctx context.Context, r *report.Report, rounds int) error {
	c, err := g.clients.For("")
	if err != nil {
		return err
	}
	for _, s := range []shape{
		{"sequential 0.1 KB", 1, 100, 100, 1.05},
		{"parallel 20x20", 20, 20, 100, 1.10},
		{"sequential 1 KB", 1, 50, 1 << 10, 1.05},
		{"sequential 64 KB", 1, 20, 64 << 10, 0},
		{"sequential 512 KB", 1, 6, 512 << 10, 0},
	} {
		if err := g.measure(ctx, c, r, s, rounds); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

func (g *rig) measure(ctx context.Context, c client.Client, r *report.Report, s shape, rounds int) error {
	payload := strings.Repeat("x", s.bytes)
	walls := map[string][]float64{}
	all := map[string][]int64{}
	for round := range rounds + 1 {
		order := []string{inProcess, pluginActivity}
		if rand.IntN(2) == 0 {
			slices.Reverse(order)
		}
		for _, name := range order {
			wall, took, err := batch(ctx, c, s, name, payload)
			if err != nil {
				return err
			}
			if round > 0 { // the first warms up
				walls[name] = append(walls[name], wall)
				all[name] = append(all[name], took...)
			}
		}
	}
	ratio := median(walls[pluginActivity]) / median(walls[inProcess])
	note := fmt.Sprintf("in-process p50/p95/p99 %s, plugin %s", percentiles(all[inProcess]), percentiles(all[pluginActivity]))
	if s.limit > 0 {
		r.AtMost(s.name+": plugin / in-process", ratio, s.limit, "ratio", note)
	} else {
		r.Add(s.name+": plugin / in-process", ratio, "ratio", note)
	}
	return nil
}

// batch runs one side once and returns the wall time and every activity's.
func batch(ctx context.Context, c client.Client, s shape, name, payload string) (float64, []int64, error) {
	var mu sync.Mutex
	var all []int64
	began := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for range s.workflows {
		g.Go(func() error {
			w, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: taskQueue}, "bench_chain", name, s.each, payload)
			if err != nil {
				return err
			}
			var took []int64
			if err := w.Get(ctx, &took); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			return nil
		})
	}
	err := g.Wait()
	return time.Since(began).Seconds(), all, err
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

func percentiles(us []int64) string {
	us = slices.Sorted(slices.Values(us))
	at := func(p float64) float64 { return float64(us[int(p*float64(len(us)-1))]) / 1000 }
	return fmt.Sprintf("%.1f/%.1f/%.1f ms", at(0.5), at(0.95), at(0.99))
}
