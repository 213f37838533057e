package e2e

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.temporal.io/api/workflowservice/v1"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/proto"

	"github.com/orch-host/orch/plugins/deploy/deploytest"
)

// sampled is how many of the calls the plugin is killed at; with ORCH_LONG set it is killed at all of them, before and
// after their work.
const sampled = 3

// killedAnywhere kills the plugin's process at calls of the deployment of a second version.
func (s *stage) killedAnywhere(t *testing.T) {
	w := s.reset(t)
	s.deploy(0)
	before := w.Calls()
	s.deploy(0, "image="+v2)
	calls := w.Calls() - before
	type kill struct {
		at   int
		when deploytest.When
	}
	var kills []kill
	for n := 1; n <= calls; n++ {
		kills = append(kills, kill{n, deploytest.BeforeWork}, kill{n, deploytest.AfterWork})
	}
	if os.Getenv("ORCH_LONG") == "" {
		rand.Shuffle(len(kills), func(i, j int) { kills[i], kills[j] = kills[j], kills[i] })
		kills = kills[:min(sampled, len(kills))]
	}
	for _, k := range kills {
		w := s.reset(t)
		s.expect(0, "plugin", "reload", "deploy") // so many crashes in a row would put it into quarantine
		s.deploy(0)
		w.KillAt(k.at, k.when, s.killPlugin)
		o := s.deploy(0, "image="+v2)
		if !w.Died() || !strings.Contains(o.stdout, s.verdict) {
			t.Errorf("died %v, %v", w.Died(), o)
		}
		w.one(t, v1, v2)
		s.eventually("the plugin serves", func() error { return s.serves("deploy") })
		if t.Failed() {
			t.Fatalf("after the kill at call %d of %d (0 before, 1 after its work: %d)", k.at, calls, k.when)
		}
	}
	t.Logf("killed %d times, at any of %d calls", len(kills), calls)
}

// serves says whether a plugin has a process that takes work.
func (r *rig) serves(name string) error {
	list, err := r.admin().Plugins(r.t.Context())
	if err != nil {
		return err
	}
	for _, p := range list {
		if p.Name == name && p.Pid > 0 && p.State == "ready" {
			return nil
		}
	}
	return fmt.Errorf("%+v", list)
}

// refusesASecond starts a deployment of an app while another workflow deploys it.
func (s *stage) refusesASecond(t *testing.T) {
	w := s.reset(t)
	w.neverLive()
	s.outputs.WriteString(s.expect(0, "start", s.service).String())
	s.eventually("the deployment is being waited for", func() error {
		attempts, err := s.admin().Attempts(t.Context())
		if err != nil {
			return err
		}
		for _, a := range attempts {
			if a.Activity == s.activity && w.Calls() > 5 {
				return nil
			}
		}
		return fmt.Errorf("%+v", attempts)
	})
	o := s.expect(1, "start", s.service+"-too", "--wait")
	s.outputs.WriteString(o.String())
	if want := "is being deployed by workflow " + s.service + "_1 (run "; !strings.Contains(o.stdout, want) {
		t.Errorf("want %q, got %v", want, o)
	}
	s.outputs.WriteString(s.expect(0, "stop", s.service).String())
}

// seesNoSecret looks for the tests' secrets wherever somebody could read them.
func (s *stage) seesNoSecret(t *testing.T) {
	t.Helper()
	holds := func(what string, data []byte) {
		for _, canary := range []string{canaryToken, canarySecret} {
			if i := bytes.Index(data, []byte(canary)); i >= 0 {
				t.Errorf("%s holds a secret: %q", what, data[max(0, i-120):min(len(data), i+60)])
			}
		}
	}
	holds("what people saw", []byte(s.outputs.String()))
	holds("the host's log", []byte(s.host.log.String()))
	for _, pid := range []int{s.host.Process.Pid, s.pluginPid("deploy")} {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			t.Error(err)
		}
		holds("a command line", line)
	}
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", s.pluginPid("deploy")))
	if err != nil {
		t.Error(err)
	}
	holds("the plugin's environment", environ)
	c := s.client(client.Options{})
	runs, err := c.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{})
	if err != nil || len(runs.GetExecutions()) < 5 {
		t.Errorf("%d runs are listed, %v", len(runs.GetExecutions()), err)
	}
	events := 0
	for _, run := range runs.GetExecutions() {
		for it := c.GetWorkflowHistory(t.Context(), run.GetExecution().GetWorkflowId(), run.GetExecution().GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); it.HasNext(); {
			e, err := it.Next()
			if err != nil {
				t.Fatal(err)
			}
			raw, err := proto.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			holds(fmt.Sprintf("event %d of %s", e.GetEventId(), run.GetExecution().GetWorkflowId()), raw)
			events++
		}
	}
	files := 0
	err = filepath.WalkDir(filepath.Join(s.dir, "state"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		holds(path, data)
		files++
		return err
	})
	if err != nil {
		t.Error(err)
	}
	telemetry := s.told.String()
	if !strings.Contains(telemetry, s.workflow) || !strings.Contains(telemetry, "orch-plugin-deploy") {
		t.Error("the traces of the deployments are missing")
	}
	holds("metrics and traces", []byte(telemetry))
	t.Logf("looked at %d events of %d runs and %d files", events, len(runs.GetExecutions()), files)
}
