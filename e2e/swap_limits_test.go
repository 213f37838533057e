package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/orch-host/orch/bench/load"
)

// misbehave calls "hog" once.
func misbehave(ctx workflow.Context, queue, how string, amount int) (string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: queue, StartToCloseTimeout: time.Minute, HeartbeatTimeout: 20 * time.Second, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
	})
	if how == "spin" {
		ctx = workflow.WithStartToCloseTimeout(ctx, 3*time.Second)
	}
	var out string
	err := workflow.ExecuteActivity(ctx, "hog", map[string]any{"how": how, "amount": amount}).Get(ctx, &out)
	return out, err
}

func TestAMisbehavingPluginIsContainedAndOthersDoNotNotice(t *testing.T) {
	r := newRig(t, nil, `
[services.{service}]
workflow = "NobodysWorkflow"
plugins = ["load", "noisy"]

[plugins.noisy]
memory = "128MiB"
`)
	r.put("load", variant(t, load.Identity{}))
	r.put("noisy", variant(t, load.Identity{Name: "noisy", Mode: "noisy"}))
	h := r.start()
	c := r.client(client.Options{})
	defer r.steadyWorker(c)()
	pid := r.pluginPid("load")
	tests := []struct {
		name, how string
		amount    int
		answer    string // what it answers, or
		failure   string // part of the error
		log       string // what the host's log says
	}{
		{"floods its output with a million lines", "lines", 1_000_000, "wrote", "", "plugin output dropped"},
		{"floods its log with 200,000 records", "logs", 200_000, "logged", "", "dropped_before"},
		{"floods heartbeats", "heartbeats", 300_000, "beat", "", ""},
		{"answers 8 MB", "answer", 8 << 20, "", "write it to a file or an object store", ""},
		{"answers 64 MB", "answer", 64 << 20, "", "activity", ""},
		{"spins on every processor", "spin", 0, "", "imeout", ""},
		{"takes all memory", "leak", 0, "", "crashed", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stop := r.steady(c)
			defer stop()
			var got string
			err := caller(t, r, c, misbehave, &got, r.service+"-queue", tt.how, tt.amount)
			if tt.failure == "" && (err != nil || got != tt.answer) {
				t.Errorf("want %q, got %q, %v", tt.answer, got, err)
			}
			if tt.failure != "" {
				if err == nil || !strings.Contains(err.Error(), tt.failure) {
					t.Errorf("want an error that says %q, got %v", tt.failure, err)
				} else {
					t.Log(err.Error()[:min(400, len(err.Error()))])
				}
			}
			r.eventually("the host's log says so", func() error {
				if !strings.Contains(h.log.String(), tt.log) {
					return fmt.Errorf("it does not say %q", tt.log)
				}
				return nil
			})
			r.until("it serves again", "noisy", serves("1.0.0"))
		})
	}
	if now := r.pluginPid("load"); now != pid {
		t.Errorf("the other plugin is process %d, was %d", now, pid)
	}
	if i := r.info(); i.Pid != h.Process.Pid {
		t.Errorf("the host is process %d, was %d", i.Pid, h.Process.Pid)
	}
}

func TestAFullPluginStopsThePollingInsteadOfFailingAttempts(t *testing.T) {
	r := newRig(t, nil, loadService+"\n[plugins.load]\nmax_concurrent = 2\n")
	r.put("load", variant(t, load.Identity{}))
	r.start()
	c := r.client(client.Options{})
	defer r.steadyWorker(c)()
	var runs []client.WorkflowRun
	for range 8 {
		run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: r.service + "-steady"}, attemptWork, r.service+"-queue", "work", 400)
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, run)
	}
	over := make(chan struct{})
	var watch sync.WaitGroup
	most := 0
	watch.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-time.After(20 * time.Millisecond):
				attempts, err := r.admin().Attempts(t.Context())
				if err == nil {
					most = max(most, len(attempts))
				}
			}
		}
	})
	for _, run := range runs {
		var out worked
		if err := run.Get(t.Context(), &out); err != nil || out.Square != 144 {
			t.Errorf("got %+v, %v", out, err)
		}
	}
	close(over)
	watch.Wait()
	if most == 0 || most > 2 {
		t.Errorf("%d attempts ran at once, want 1 or 2", most)
	}
}
