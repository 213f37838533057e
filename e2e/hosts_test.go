package e2e

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/orch-host/orch/hostcore/executor"
)

// ledgerPipeline is three steps that each write a line into the ledger.
const ledgerPipeline = `
name: ledger
params:
  properties:
    name: {type: string, default: run}
    ms: {type: integer, default: 20}
steps:
  - activity: ledger_write
    input: {name: "${{ params.name }}/1", ms: "${{ params.ms }}"}
    retry: {attempts: 50, initial: 200ms, max: 2s}
    save: first
  - activity: ledger_write
    input: {name: "${{ params.name }}/2", ms: "${{ params.ms }}"}
    retry: {attempts: 50, initial: 200ms, max: 2s}
  - activity: ledger_write
    input: {name: "${{ params.name }}/3", ms: "${{ params.ms }}"}
    retry: {attempts: 50, initial: 200ms, max: 2s}
    save: last
result: "${{ vars.first }}, ${{ vars.last }}"
`

// hosts are several hosts on one Temporal server, with the ledger plugin.
type hosts struct {
	all    []*rig
	ledger string
	port   int
	prefix string // of the services
}

// newHosts makes them; services is TOML in which {p} is their prefix. Labels
// stand after a colon: "b:gpu".
func newHosts(t *testing.T, port int, services string, names ...string) *hosts {
	t.Helper()
	h := &hosts{ledger: filepath.Join(t.TempDir(), "ledger"), port: port, prefix: unique()}
	for _, name := range names {
		name, label, _ := strings.Cut(name, ":")
		labels := ""
		if label != "" {
			labels = fmt.Sprintf("labels = [%q]\n", label)
		}
		r := newRig(t, []string{filepath.Join(built, "ledger")}, "[plugins.ledger]\nenv = [\"E2E_LEDGER\", \"E2E_HOST\"]\n"+strings.ReplaceAll(services, "{p}", h.prefix))
		r.external(port)
		write(t, r.config, 0o600, strings.Replace(read(t, r.config), "[host]", fmt.Sprintf("[host]\nname = %q\n%s", name, labels), 1))
		if err := os.Mkdir(filepath.Join(r.dir, "pipelines"), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(r.dir, "pipelines", "ledger.yaml"), 0o644, ledgerPipeline)
		r.service = h.prefix
		r.env = append(r.env, "E2E_LEDGER="+h.ledger, "E2E_HOST="+name)
		h.all = append(h.all, r)
	}
	return h
}

// temporalOnly is a host that only runs the embedded server.
func temporalOnly(t *testing.T) (*rig, *running) {
	t.Helper()
	r := newRig(t, nil, "")
	c := r.start()
	return r, c
}

// lines are those of the ledger: key, host and name.
func (h *hosts) lines(t *testing.T) [][]string {
	t.Helper()
	var lines [][]string
	if _, err := os.Stat(h.ledger); err != nil {
		return nil
	}
	for line := range strings.Lines(read(t, h.ledger)) {
		lines = append(lines, strings.Fields(line))
	}
	return lines
}

func TestWorkGoesToTheHostsOfItsPlacement(t *testing.T) {
	temporal, _ := temporalOnly(t)
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	keyFile := filepath.Join(t.TempDir(), "key")
	write(t, keyFile, 0o600, base64.StdEncoding.EncodeToString(key))
	h := newHosts(t, temporal.port, `
[temporal.encryption]
key_id = "k"
[temporal.encryption.keys.k]
key = "file:`+keyFile+`"
[services.{p}-any]
pipeline = "ledger"
[services.{p}-b]
pipeline = "ledger"
placement = "b"
[services.{p}-gpu]
pipeline = "ledger"
placement = "gpu"
[services.{p}-all]
pipeline = "ledger"
placement = "all"
params = { ms = 2000 }
[services.{p}-nobody]
pipeline = "ledger"
placement = "quantum"
`, "a", "b:gpu")
	a, b := h.all[0], h.all[1]
	a.start()
	second := b.start()
	service := func(name string) string { return h.prefix + "-" + name }
	for _, name := range []string{"b", "gpu"} {
		for range 3 { // from either host, and never by chance
			if o := a.expect(0, "start", "--wait", service(name)); !strings.Contains(o.stdout, "run/1 on b, run/3 on b") {
				t.Errorf("%s: %v", name, o)
			}
		}
	}
	if o := a.expect(3, "start", service("nobody")); !strings.Contains(o.stderr, `no host with the name or label "quantum"`) {
		t.Errorf("nobody: %v", o)
	}
	if o := b.expect(0, "start", "--wait", service("any")); !strings.Contains(o.stdout, "run/1 on ") {
		t.Errorf("any: %v", o)
	}
	o := a.expect(0, "start", "--wait", service("all"))
	if !strings.Contains(o.stdout, "run/1 on a, run/3 on a") || !strings.Contains(o.stdout, "run/1 on b, run/3 on b") {
		t.Errorf("all: %v", o)
	}
	if o := a.expect(0, "status", "--json", service("all")); !strings.Contains(o.stdout, `"on a"`) || !strings.Contains(o.stdout, `"on b"`) {
		t.Errorf("status of all: %v", o)
	}

	o = a.expect(0, "hosts", "--json")
	var listed []executor.HostState
	if err := json.Unmarshal([]byte(o.stdout), &listed); err != nil || len(listed) != 2 || listed[0].Name != "a" || listed[1].Name != "b" || !listed[0].Here || !listed[1].Here ||
		!slices.Equal(listed[1].Labels, []string{"gpu"}) || listed[0].Seen.IsZero() {
		t.Errorf("hosts: %v %+v", o, listed)
	}
	if o := a.expect(1, "hosts", "forget", "b"); !strings.Contains(o.stderr, "stop it first") {
		t.Errorf("forget a host that runs: %v", o)
	}
	if o := a.expect(1, "hosts", "forget", "c"); !strings.Contains(o.stderr, `no host "c"`) {
		t.Errorf("forget an unknown host: %v", o)
	}

	a.expect(0, "start", service("all"))
	a.eventually("it runs on both", func() error {
		if o := a.host("status", "--json", service("all")); strings.Count(o.stdout, `"running"`) < 3 {
			return errors.New(o.stdout)
		}
		return nil
	})
	second.kill(t)
	b.start() // the run on b waits for it
	a.eventually("it ends as if host b had not been killed", func() error {
		o := a.host("status", "--json", service("all"))
		if !strings.Contains(o.stdout, `"completed"`) || !strings.Contains(o.stdout, "run/1 on a, run/3 on a") || !strings.Contains(o.stdout, "run/1 on b, run/3 on b") {
			return errors.New(o.String())
		}
		return nil
	})
}

// TestARunForAllHostsWaitsForOneThatIsAwayThoughTheServerHasForgottenIt has the
// server restarted while a host is away, so that nobody but the list of hosts
// knows of it.
func TestARunForAllHostsWaitsForOneThatIsAwayThoughTheServerHasForgottenIt(t *testing.T) {
	temporal, _ := temporalOnly(t)
	h := newHosts(t, temporal.port, `
[services.{p}-all]
pipeline = "ledger"
placement = "all"
`, "a", "b")
	a, b := h.all[0], h.all[1]
	a.start()
	second := b.start()
	service := h.prefix + "-all"
	a.expect(0, "start", "--wait", service)
	second.kill(t)
	killProcess(t, temporal.info().Temporal.Pid)
	temporal.eventually("the server is back", func() error {
		if o := a.host("hosts", "--json"); o.code != 0 || strings.Count(o.stdout, `"here": true`) != 1 {
			return errors.New(o.String())
		}
		return nil
	})
	a.expect(0, "start", service)
	a.eventually("it waits for host b", func() error {
		if o := a.host("status", "--json", service); !strings.Contains(o.stdout, `"on b"`) {
			return errors.New(o.stdout)
		}
		return nil
	})
	b.start()
	a.eventually("it ends on both", func() error {
		if o := a.host("status", "--json", service); !strings.Contains(o.stdout, `"completed"`) || !strings.Contains(o.stdout, "run/1 on b, run/3 on b") {
			return errors.New(o.String())
		}
		return nil
	})
	if lines := len(h.lines(t)); lines != 12 {
		t.Errorf("%d side effects, want 3 on each host, twice", lines)
	}
}

func TestHostsAreUpgradedOneAfterTheOtherWithoutAFailedActivity(t *testing.T) {
	temporal, _ := temporalOnly(t)
	services := ""
	const lanes = 6
	for i := range lanes {
		services += fmt.Sprintf("[services.{p}-%d]\npipeline = \"ledger\"\nparams = { ms = 150 }\n", i)
	}
	h := newHosts(t, temporal.port, services, "a", "b")
	current := []*running{h.all[0].start(), h.all[1].start()}
	c := h.all[0].client(client.Options{})
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	var runs []client.WorkflowRun
	var load sync.WaitGroup
	for i := range lanes {
		load.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				queue := fmt.Sprintf("%s-%d-queue", h.prefix, i)
				run, err := c.ExecuteWorkflow(context.WithoutCancel(ctx), client.StartWorkflowOptions{ID: fmt.Sprintf("%s-%d-%d", h.prefix, i, n), TaskQueue: queue}, "pipeline/ledger",
					map[string]any{"name": fmt.Sprintf("%d-%d", i, n), "ms": 150})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				runs = append(runs, run)
				mu.Unlock()
				if err := run.Get(context.WithoutCancel(ctx), nil); err != nil {
					t.Errorf("%s: %v", run.GetID(), err)
				}
			}
		})
	}
	for round := range 2 {
		for i, r := range h.all {
			time.Sleep(2 * time.Second)
			if err := current[i].Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			<-current[i].done
			if code := current[i].ProcessState.ExitCode(); code != 0 {
				t.Errorf("round %d: host %d ended with %d\n%s", round, i, code, current[i].log)
			}
			current[i] = r.start()
		}
	}
	stop()
	load.Wait()
	attempts := 0
	for _, run := range runs {
		for it := c.GetWorkflowHistory(t.Context(), run.GetID(), run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); it.HasNext(); {
			e, err := it.Next()
			if err != nil {
				t.Fatal(err)
			}
			if started := e.GetActivityTaskStartedEventAttributes(); started != nil {
				attempts++
				if started.GetAttempt() != 1 {
					t.Errorf("%s: attempt %d after %v", run.GetID(), started.GetAttempt(), started.GetLastFailure())
				}
			}
		}
	}
	keys, where := map[string]int{}, map[string]int{}
	for _, line := range h.lines(t) {
		keys[line[0]]++
		where[line[1]]++
	}
	for key, n := range keys {
		if n != 1 {
			t.Errorf("%s was done %d times", key, n)
		}
	}
	if len(keys) != 3*len(runs) || attempts != len(keys) || where["a"] == 0 || where["b"] == 0 {
		t.Errorf("%d runs, %d attempts, %d side effects, by host %v", len(runs), attempts, len(keys), where)
	}
	t.Logf("%d workflows, %d activities, 4 restarts of hosts: no failed attempt; by host %v", len(runs), attempts, where)
}

// TestEveryHostHasItsOwnContainers has two hosts whose containers carry labels and
// names of their own, as on two machines.
func TestEveryHostHasItsOwnContainers(t *testing.T) {
	docker := engine(t)
	temporal, _ := temporalOnly(t)
	var stacks []*stack
	for _, name := range []string{"a", "b"} {
		s := newStack(t, docker, "")
		s.external(temporal.port)
		text := strings.Replace(read(t, s.config), "[host]", fmt.Sprintf("[host]\nname = %q", name), 1)
		text = strings.Replace(text, "[services.tracing]", "[services.tracing]\nplacement = \"all\"", 1)
		write(t, s.config, 0o600, strings.Replace(text, "[services.metrics]", "[services.metrics]\nplacement = \"b\"", 1))
		s.start()
		stacks = append(stacks, s)
	}
	a, b := stacks[0], stacks[1]
	if o := a.expect(0, "start", "--wait", "tracing"); !strings.Contains(o.stdout, "Tracing pipeline fully configured") {
		t.Errorf("on all hosts: %v", o)
	}
	before := []map[string]string{a.components("jaeger", "grafana"), b.components("jaeger", "grafana")}
	a.expect(0, "start", "--wait", "tracing")
	for i, s := range stacks {
		if after := s.components("jaeger", "grafana"); !maps.Equal(before[i], after) {
			t.Errorf("host %d: a second run changed %v to %v", i, before[i], after)
		}
	}
	a.expect(0, "start", "--wait", "metrics") // asked of a, done by b
	a.components("jaeger", "grafana")
	b.components("jaeger", "grafana", "prometheus")
}
