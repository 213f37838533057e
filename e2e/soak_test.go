package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/client"
	enumspb "go.temporal.io/api/enums/v1"
	temporalclient "go.temporal.io/sdk/client"
)

// soaked is a load on two hosts while their parts are killed.
type soaked struct {
	t       *testing.T
	h       *hosts
	victims map[string]func() // kill -9, by name

	mu      sync.Mutex
	current []*running
	samples []sample
}

// sample is what a host that has just warmed up takes.
type sample struct {
	host       int
	goroutines float64
	memory     float64 // bytes
}

// TestEveryWorkflowReachesItsResultWhileEverythingIsKilled takes three minutes in
// CI, else as long as ORCH_SOAK says. The server is the embedded one; with
// ORCH_INFRA=1 it is that of the compose stack, and PostgreSQL is killed too.
func TestEveryWorkflowReachesItsResultWhileEverythingIsKilled(t *testing.T) {
	duration, every := 3*time.Minute, 12*time.Second
	if text := os.Getenv("ORCH_SOAK"); text != "" {
		var err error
		if duration, err = time.ParseDuration(text); err != nil {
			t.Fatalf("ORCH_SOAK: %v", err)
		}
		every = 20 * time.Second
	} else if os.Getenv("CI") == "" {
		t.Skip("neither CI nor ORCH_SOAK is set: the soak is left out (ORCH_SOAK=30m)")
	}
	s := &soaked{t: t, victims: map[string]func(){}, current: make([]*running, 2)}
	port := s.temporal()
	s.h = newHosts(t, port, `
[services.{p}-any]
pipeline = "ledger"
[services.{p}-b]
pipeline = "ledger"
placement = "b"
[services.{p}-all]
pipeline = "ledger"
placement = "all"
`, "a", "b")
	for i, r := range s.h.all {
		s.current[i] = r.start()
		s.victims["host "+string(rune('a'+i))] = func() { s.killHost(i) }
		s.victims["plugin of host "+string(rune('a'+i))] = func() {
			if list, err := r.admin().Plugins(t.Context()); err == nil && len(list) == 1 && list[0].Pid > 0 {
				_ = syscall.Kill(list[0].Pid, syscall.SIGKILL) // one that is on its way is not there to be killed
			}
		}
	}
	c := s.h.all[0].client(temporalclient.Options{})
	ctx, stop := context.WithTimeout(t.Context(), duration)
	defer stop()
	var load, kills sync.WaitGroup
	var runs []temporalclient.WorkflowRun
	want := map[string]int{} // lines of the ledger, by the run's name
	load.Go(func() {
		for n := 0; ctx.Err() == nil; n++ { // 20 a minute
			kind := []string{"any", "any", "b", "any", "all"}[n%5]
			name := fmt.Sprintf("%s-%d", kind, n)
			want[name] = 3
			if kind == "all" {
				want[name] = 6
			}
			runs = append(runs, s.begin(c, kind, name))
			sleep(ctx, 3*time.Second)
		}
	})
	killed := map[string]int{}
	kills.Go(func() {
		var names []string
		for name := range s.victims {
			names = append(names, name)
		}
		for n := 0; sleep(ctx, every); n++ {
			name := names[rand.IntN(len(names))]
			if n < len(names) {
				name = names[n] // each of them once at least
			}
			killed[name]++
			t.Logf("kill -9 %s", name)
			s.victims[name]()
		}
	})
	load.Wait()
	kills.Wait()
	late := time.Now()
	for _, run := range runs {
		s.await(c, run)
	}
	s.count(want)
	s.flat()
	t.Logf("%s: %d workflows, %d side effects, kills %v; the last result came %s after the load", duration, len(runs), len(s.h.lines(t)), killed, time.Since(late).Round(time.Second))
}

// temporal brings up the server and notes how to kill it.
func (s *soaked) temporal() (port int) {
	if os.Getenv("ORCH_INFRA") == "" {
		r, _ := temporalOnly(s.t)
		s.victims["temporal"] = func() {
			if i, err := r.admin().Info(s.t.Context()); err == nil && i.Temporal.Pid > 0 {
				_ = syscall.Kill(i.Temporal.Pid, syscall.SIGKILL)
			}
		}
		return r.port
	}
	docker := engine(s.t)
	stack := composeUp(s.t)
	for _, name := range []string{"temporal", "temporal-postgresql"} {
		s.victims[name] = func() { killContainer(s.t, docker, stack.prefix+name) }
	}
	return stack.port
}

// killContainer ends the container's process as a crash would: what Docker itself
// is asked to kill it does not start again.
func killContainer(t *testing.T, docker *client.Client, name string) {
	t.Helper()
	i, err := docker.ContainerInspect(t.Context(), name)
	if err != nil {
		t.Error(err)
	} else if i.State.Pid > 0 {
		_ = syscall.Kill(i.State.Pid, syscall.SIGKILL)
	}
}

// killHost kills a host and starts it again, as a service manager would.
func (s *soaked) killHost(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sample(i)
	s.current[i].kill(s.t)
	s.current[i] = s.h.all[i].start()
}

// begin starts a workflow, however long the server takes to answer.
func (s *soaked) begin(c temporalclient.Client, kind, name string) temporalclient.WorkflowRun {
	service := s.h.prefix + "-" + kind
	for end := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		run, err := c.ExecuteWorkflow(s.t.Context(), temporalclient.StartWorkflowOptions{ID: name + "-" + s.h.prefix, TaskQueue: service + "-queue",
			WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING}, "pipeline/ledger", map[string]any{"name": name, "ms": 400})
		if err == nil {
			return run
		}
		if time.Now().After(end) {
			s.t.Errorf("start %s: %v", name, err)
			return nil
		}
	}
}

// await checks a workflow's result.
func (s *soaked) await(c temporalclient.Client, run temporalclient.WorkflowRun) {
	if run == nil {
		return
	}
	var result any
	var err error
	for end := time.Now().Add(2 * patience); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		ctx, cancel := context.WithDeadline(s.t.Context(), end)
		err = c.GetWorkflow(ctx, run.GetID(), run.GetRunID()).Get(ctx, &result)
		cancel()
		var failed interface{ Unwrap() error }
		if err == nil || errors.As(err, &failed) && strings.Contains(err.Error(), "workflow execution error") {
			break
		}
	}
	if text := fmt.Sprint(result); err != nil || strings.Count(text, "/1 on ") != strings.Count(text, "/3 on ") || !strings.Contains(text, "/3 on ") {
		s.t.Errorf("%s: %v, %v", run.GetID(), result, err)
	}
}

// count compares the ledger with what was to be done.
func (s *soaked) count(want map[string]int) {
	keys, names := map[string]bool{}, map[string]int{}
	for _, line := range s.h.lines(s.t) {
		if keys[line[0]] {
			s.t.Errorf("done twice: %v", line)
		}
		keys[line[0]] = true
		name, _, _ := strings.Cut(line[2], "/")
		names[name]++
	}
	for name, n := range want {
		if names[name] != n {
			s.t.Errorf("%s: %d side effects, want %d", name, names[name], n)
		}
	}
}

// sample notes what a host takes now; one that cannot say is left out.
func (s *soaked) sample(i int) {
	info, err := s.h.all[i].admin().Info(s.t.Context())
	if err != nil {
		return
	}
	values, err := scrape("http://" + info.Listen)
	if err != nil || time.Since(info.Started) < 10*time.Second {
		return
	}
	s.samples = append(s.samples, sample{i, values["go_goroutines"], values["process_resident_memory_bytes"]})
}

// flat checks that hosts take at the end about what they took at first.
func (s *soaked) flat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.h.all {
		s.sample(i)
	}
	first := map[int]sample{}
	for _, now := range s.samples {
		was, ok := first[now.host]
		if !ok {
			first[now.host] = now
			continue
		}
		if now.goroutines > 1.5*was.goroutines+100 || now.memory > 1.5*was.memory+32<<20 {
			s.t.Errorf("host %d grows: %.0f goroutines and %.0f MB at first, %.0f and %.0f now", now.host, was.goroutines, was.memory/(1<<20), now.goroutines, now.memory/(1<<20))
		}
	}
	s.t.Logf("goroutines and memory: %v", s.samples)
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// scrape reads the metrics of a host: the sum of each name's samples.
func scrape(url string) (map[string]float64, error) {
	resp, err := http.Get(url + "/metrics")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	sums := map[string]float64{}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, _, _ := strings.Cut(strings.ReplaceAll(lines.Text(), "{", " {"), " ")
		fields := strings.Fields(lines.Text())
		if v, err := strconv.ParseFloat(fields[len(fields)-1], 64); err == nil && !strings.HasPrefix(name, "#") {
			sums[name] += v
		}
	}
	return sums, lines.Err()
}

// composed is a compose stack of a test.
type composed struct {
	prefix string
	port   int
	ui     int
	dir    string
	run    func(name string, args ...string) string
}

// composeUp brings up Temporal on PostgreSQL and takes it down after the test.
func composeUp(t *testing.T, environ ...string) *composed {
	t.Helper()
	s := &composed{prefix: unique() + "-", port: freePort(t), ui: freePort(t), dir: filepath.Join(t.TempDir(), "infra")}
	env := append(append(os.Environ(), environ...), "PREFIX="+s.prefix, fmt.Sprintf("TEMPORAL_PORT=%d", s.port), fmt.Sprintf("UI_PORT=%d", s.ui))
	s.run = func(name string, args ...string) string { t.Helper(); return runWith(t, env, name, args...) }
	t.Cleanup(func() { s.run(bin("host"), "infra", "down", "--purge", "--dir", s.dir) })
	if out := s.run(bin("host"), "infra", "up", "--dir", s.dir); !strings.Contains(out, fmt.Sprintf("address = \"127.0.0.1:%d\"", s.port)) {
		t.Errorf("up: %s", out)
	}
	return s
}
