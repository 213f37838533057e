package e2e

import (
	"path/filepath"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/orch-host/orch/bench/load"
	"github.com/orch-host/orch/hostcore/supervisor"
)

func TestHotSwapsUnderLoadLoseNoActivityAndLeakNothing(t *testing.T) {
	r := newRig(t, nil, loadService)
	r.put("load", variant(t, load.Identity{}))
	r.start()
	res, err := load.Run(t.Context(), load.Options{
		Client: r.client(client.Options{}), Host: r.admin(), Queue: r.service + "-queue", Binary: loadPlugin(t),
		Path: filepath.Join(r.plugins, "load"), Runtime: r.runtime, Swaps: 10, Rate: 30, Long: 2 * time.Second, Logf: t.Logf,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d activities, %d at once, %d outlived their version", res.Activities, res.InFlight, res.Outlived)
	for _, f := range res.Failures {
		t.Error(f)
	}
	for _, l := range res.Leaks {
		t.Errorf("left behind: %s", l)
	}
	if res.InFlight < 10 || res.Outlived == 0 {
		t.Errorf("the load was too small to tell: %d at once, %d in flight across a swap", res.InFlight, res.Outlived)
	}
}

func TestTwoHostsOnOneServerLoseNothingWhenOnlyOneHasThePluginAndSwapsIt(t *testing.T) {
	one := newRig(t, nil, loadService)
	one.put("load", variant(t, load.Identity{Version: "1.0.0"}))
	one.start()
	two := newRig(t, nil, "")
	two.service = one.service
	write(t, two.config, 0o600, externalConfig(two, one)+replaceService(loadService, one.service))
	two.start()
	if p := two.plugin("load"); p.Name != "" {
		t.Fatalf("the second host has the plugin: %+v", p)
	}
	c := one.client(client.Options{})
	stopWorker := one.steadyWorker(c)
	defer stopWorker()

	stop := one.steady(c)
	for _, version := range []string{"1.1.0", "1.2.0", "1.3.0"} {
		one.put("load", variant(t, load.Identity{Version: version}))
		one.until("version "+version+" serves", "load", serves(version))
	}
	t.Logf("%d activities while it was swapped", stop())

	t.Run("and taking it out of the folder keeps the work for when it is back", func(t *testing.T) {
		stop := one.steady(c)
		one.remove("load")
		one.until("it is withdrawn", "load", func(p supervisor.Status) bool { return p.State == supervisor.Stopped })
		one.put("load", variant(t, load.Identity{Version: "1.4.0"}))
		one.until("it is back", "load", serves("1.4.0"))
		t.Logf("%d activities while it was away and came back", stop())
	})
	t.Run("and the other host takes over when it gets the plugin", func(t *testing.T) {
		two.put("load", variant(t, load.Identity{Version: "1.4.0"}))
		two.until("it serves on the second host", "load", serves("1.4.0"))
		one.remove("load")
		one.until("it is withdrawn on the first", "load", func(p supervisor.Status) bool { return p.State == supervisor.Stopped && p.Draining == 0 })
		// A poll that was under way may still bring the first host a task; it gives that back as a failed attempt.
		var got worked
		if err := caller(t, one, c, retriedWork, &got, one.service+"-queue"); err != nil {
			t.Fatal(err)
		}
		if got.Pid != two.plugin("load").Pid {
			t.Errorf("process %d answered, want that of the second host, %d", got.Pid, two.plugin("load").Pid)
		}
	})
}

// retriedWork calls the load plugin's activity until it succeeds.
func retriedWork(ctx workflow.Context, queue string) (worked, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: queue, StartToCloseTimeout: 2 * time.Minute, RetryPolicy: &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, MaximumAttempts: 5},
	})
	var out worked
	err := workflow.ExecuteActivity(ctx, "work", map[string]int{"n": 12, "millis": 1}).Get(ctx, &out)
	return out, err
}

// steadyWorker runs the workflows of steady.
func (r *rig) steadyWorker(c client.Client) (stop func()) {
	r.t.Helper()
	w := worker.New(c, r.service+"-steady", worker.Options{})
	w.RegisterWorkflow(attemptWork)
	if err := w.Start(); err != nil {
		r.t.Fatal(err)
	}
	return w.Stop
}
