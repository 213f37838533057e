package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
)

// Each test here holds the pipeline in its first step, with the container made
// and the answer on its way, breaks something, and wants what a run without the
// accident gives.

func midStep(t *testing.T) (*rig, *gate, *running, func()) {
	t.Helper()
	docker := engine(t)
	g := newGate(t, docker)
	r := databases(t, docker, g.host)
	h := r.start()
	r.startService()
	g.await(t)
	return r, g, h, func() {
		t.Helper()
		if got := r.result(r.client(client.Options{}), r.service+"_1"); got != pipelineResult {
			t.Errorf("want the result %q, got %q", pipelineResult, got)
		}
		r.checkContainers(docker)
	}
}

func (r *rig) startService() {
	r.t.Helper()
	r.expect(0, "start", r.service)
}

// firstAttempts is the number of the attempt that ended the first step.
func firstAttempts(t *testing.T, r *rig) int32 {
	t.Helper()
	for _, e := range history(t, r.client(client.Options{}), r.service+"_1", "") {
		if a := e.GetActivityTaskStartedEventAttributes(); a != nil {
			return a.GetAttempt()
		}
	}
	t.Fatal("no activity was started")
	return 0
}

func TestAPluginKilledInTheMiddleOfAStepIsRestartedAndTheStepTriedAgain(t *testing.T) {
	r, g, h, check := midStep(t)
	old := r.pluginPid("databases")
	if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	g.release()
	check()
	if n := firstAttempts(t, r); n != 2 {
		t.Errorf("want the step done by attempt 2, got %d", n)
	}
	if now := r.pluginPid("databases"); now == old {
		t.Errorf("the plugin still has the process %d", old)
	}
	if pid := r.info().Pid; pid != h.Process.Pid {
		t.Errorf("the host is process %d, was %d", pid, h.Process.Pid)
	}
	r.checkSockets(h.Process.Pid, 1)
}

func TestAHostKilledInTheMiddleOfAWorkflowGoesOnWhenItIsStartedAgain(t *testing.T) {
	r, g, h, check := midStep(t)
	h.kill(t)
	if left := r.gone(20 * time.Second); len(left) > 0 {
		t.Fatalf("processes outlive their host:\n%s", strings.Join(left, "\n"))
	}
	g.release()
	again := r.start()
	check()
	if n := firstAttempts(t, r); n != 2 {
		t.Errorf("want the step done by attempt 2, got %d", n)
	}
	r.checkSockets(again.Process.Pid, 1)
}

func TestAKilledTemporalServerIsStartedAgainByTheHost(t *testing.T) {
	r, g, h, check := midStep(t)
	old := r.info().Temporal.Pid
	if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	g.release() // the step ends while nobody can be told
	r.eventually("the host has started Temporal again", func() error {
		i, err := r.admin().Info(t.Context())
		if err != nil {
			return err
		}
		if i.Temporal.Pid == 0 || i.Temporal.Pid == old {
			return fmt.Errorf("Temporal is process %d, was %d", i.Temporal.Pid, old)
		}
		return nil
	})
	check()
	if pid := r.info().Pid; pid != h.Process.Pid {
		t.Errorf("the host is process %d, was %d", pid, h.Process.Pid)
	}
	r.checkSockets(h.Process.Pid, 1)
	for _, p := range r.processes() {
		if strings.HasPrefix(p, fmt.Sprintf("%d ", old)) {
			t.Errorf("the killed server is still there: %s", p)
		}
	}
}

func TestADockerEngineThatGoesAwayDuringAStepIsWaitedFor(t *testing.T) {
	r, g, _, check := midStep(t)
	g.setDown(true)
	g.release()
	r.eventually("the plugin has asked again", func() error {
		if n := g.refused(); n < 3 { // the held answer, and two more questions
			return fmt.Errorf("%d requests were cut off", n)
		}
		return nil
	})
	g.setDown(false)
	check()
}
