package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/orch-host/orch/hostcore/admin"
)

// Options are the host under load and the amount of it.
type Options struct {
	Client  client.Client
	Host    *admin.Client
	Queue   string // the service's task queue, where the plugin's activity "work" is polled
	Binary  []byte // of the plugin, as Build makes it
	Path    string // of the plugin in the host's plugin folder
	Runtime string // the host's runtime folder
	Swaps   int
	Pause   time.Duration // between two swaps; default 300 ms
	Rate    int           // activities started per second; default 50
	Long    time.Duration // mean time of a long activity, four in five are; default 5.5 s
	Short   time.Duration // time of the others; default 50 ms
	Warm    time.Duration // load before the first swap; default Long
	Logf    func(format string, args ...any)
}

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.Pause, 300*time.Millisecond)
	def(&o.Long, 5500*time.Millisecond)
	def(&o.Short, 50*time.Millisecond)
	def(&o.Warm, o.Long)
	if o.Rate <= 0 {
		o.Rate = 50
	}
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	return o
}

// Result is what the load saw.
type Result struct {
	Swaps      []time.Duration // from the request to the new version serving
	Activities int
	Failures   []string // of attempts and of answers that were wrong
	InFlight   int      // the most attempts that ran at once
	Outlived   int      // activities that ended in a version after it was replaced
	Leaks      []string // what the host has more of than before
}

// Percentile returns the swap time below which p of 100 lie.
func (r Result) Percentile(p int) time.Duration {
	if len(r.Swaps) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(r.Swaps))
	return sorted[min(len(sorted)-1, len(sorted)*p/100)]
}

const batchSize = 10

// batch is the argument of one workflow of the load.
type batch struct {
	Queue  string
	First  int
	Millis []int
}

// answer is what the plugin returns, or why it did not.
type answer struct {
	N       int    `json:"n"`
	Square  int    `json:"square"`
	Version string `json:"version"`
	Pid     int    `json:"pid"`
	Ended   int64  `json:"ended"`
	Failure string `json:"failure"`
}

// runBatch calls the activity once for each entry, all at once, with a single
// attempt each.
func runBatch(ctx workflow.Context, b batch) ([]answer, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: b.Queue, StartToCloseTimeout: 3 * time.Minute, HeartbeatTimeout: 30 * time.Second,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
	})
	var futures []workflow.Future
	for i, ms := range b.Millis {
		futures = append(futures, workflow.ExecuteActivity(ctx, "work", map[string]int{"n": b.First + i, "millis": ms}))
	}
	answers := make([]answer, len(futures))
	for i, f := range futures {
		if err := f.Get(ctx, &answers[i]); err != nil {
			answers[i] = answer{N: b.First + i, Failure: err.Error()}
		}
	}
	return answers, nil
}

// Run loads and swaps. The plugin's file has to be in place and serving.
func Run(ctx context.Context, o Options) (Result, error) {
	o = o.withDefaults()
	queue := o.Queue + "-load"
	w := worker.New(o.Client, queue, worker.Options{})
	w.RegisterWorkflow(runBatch)
	if err := w.Start(); err != nil {
		return Result{}, fmt.Errorf("start the load's worker: %w", err)
	}
	defer w.Stop()
	var r Result
	if _, err := swap(ctx, o, 0); err != nil { // what a first swap opens for good is no leak
		return r, err
	}
	before, err := inspect(ctx, o)
	if err != nil {
		return r, err
	}
	loading, stop := context.WithCancel(ctx)
	defer stop()
	g := &generator{o: o, queue: queue}
	done := make(chan struct{})
	go func() { g.run(loading); close(done) }()
	retired, err := swapUnder(ctx, o, &r)
	stop()
	<-done
	if err != nil {
		return r, err
	}
	answers, err := g.collect(ctx)
	if err != nil {
		return r, err
	}
	r.judge(answers, retired)
	after, err := settledAfter(ctx, o, before)
	if err != nil {
		return r, err
	}
	r.Leaks = before.leaked(after, o.Swaps)
	return r, nil
}

// swapUnder makes the swaps and returns when each process was replaced, in Unix
// milliseconds.
func swapUnder(ctx context.Context, o Options, r *Result) (map[int]int64, error) {
	retired := map[int]int64{}
	if err := pause(ctx, o.Warm); err != nil {
		return nil, err
	}
	for n := range o.Swaps {
		attempts, err := o.Host.Attempts(ctx)
		if err != nil {
			return nil, err
		}
		r.InFlight = max(r.InFlight, len(attempts))
		old, err := serving(ctx, o)
		if err != nil {
			return nil, err
		}
		took, err := swap(ctx, o, n+1)
		if err != nil {
			return nil, err
		}
		retired[old] = time.Now().UnixMilli()
		r.Swaps = append(r.Swaps, took)
		o.Logf("swap %d took %s with %d attempts in flight", n+1, took, len(attempts))
		if err := pause(ctx, o.Pause); err != nil {
			return nil, err
		}
	}
	return retired, nil
}

// swap puts version 1.<n>.0 in place. Odd and even ones are two contents of one
// file that are exchanged in turn.
func swap(ctx context.Context, o Options, n int) (time.Duration, error) {
	version := fmt.Sprintf("1.%d.0", (n+1)%2)
	binary, err := Variant(o.Binary, Identity{Version: version})
	if err != nil {
		return 0, err
	}
	if err := Install(o.Path, binary); err != nil {
		return 0, fmt.Errorf("install version %s: %w", version, err)
	}
	began := time.Now()
	results, err := o.Host.Reload(ctx, "")
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	for _, res := range results { // the watch may have been faster
		if res.Name == "load" && res.NewVersion == version && res.Error == "" {
			return took, nil
		}
	}
	return 0, fmt.Errorf("the swap to version %s did not come about: %+v", version, results)
}

func serving(ctx context.Context, o Options) (int, error) {
	list, err := o.Host.Plugins(ctx)
	if err != nil {
		return 0, err
	}
	for _, p := range list {
		if p.Name == "load" && p.Pid > 0 {
			return p.Pid, nil
		}
	}
	return 0, fmt.Errorf("the load plugin does not serve: %+v", list)
}

// generator starts batches at a steady rate.
type generator struct {
	o     Options
	queue string

	mu   sync.Mutex
	runs []client.WorkflowRun
	errs []error
}

func (g *generator) run(ctx context.Context) {
	t := time.NewTicker(time.Second * batchSize / time.Duration(g.o.Rate))
	defer t.Stop()
	var starts sync.WaitGroup
	defer starts.Wait()
	for n := 0; ctx.Err() == nil; n++ {
		b := batch{Queue: g.o.Queue, First: n * batchSize}
		for i := range batchSize {
			ms := g.o.Short.Milliseconds()
			if i%5 != 0 {
				ms = g.o.Long.Milliseconds() * int64(80+5*i) / 100 // 0.85 to 1.25 of the mean
			}
			b.Millis = append(b.Millis, int(ms))
		}
		starts.Go(func() {
			run, err := g.o.Client.ExecuteWorkflow(context.WithoutCancel(ctx), client.StartWorkflowOptions{TaskQueue: g.queue}, runBatch, b)
			g.mu.Lock()
			defer g.mu.Unlock()
			if err != nil {
				g.errs = append(g.errs, err)
				return
			}
			g.runs = append(g.runs, run)
		})
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
}

func (g *generator) collect(ctx context.Context) ([]answer, error) {
	if len(g.errs) > 0 {
		return nil, fmt.Errorf("start the load: %w", errors.Join(g.errs...))
	}
	var all []answer
	for _, run := range g.runs {
		var answers []answer
		if err := run.Get(ctx, &answers); err != nil {
			return nil, fmt.Errorf("wait for a batch of the load: %w", err)
		}
		all = append(all, answers...)
	}
	return all, nil
}

// judge counts the answers and notes what is wrong with them.
func (r *Result) judge(answers []answer, retired map[int]int64) {
	r.Activities = len(answers)
	for _, a := range answers {
		switch {
		case a.Failure != "":
			r.Failures = append(r.Failures, fmt.Sprintf("activity %d: %s", a.N, a.Failure))
		case a.Square != a.N*a.N || !strings.HasPrefix(a.Version, "1."):
			r.Failures = append(r.Failures, fmt.Sprintf("activity %d was answered with %+v", a.N, a))
		}
		if at, ok := retired[a.Pid]; ok && a.Ended > at {
			r.Outlived++
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
