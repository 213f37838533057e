package deploy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/orch-host/orch/plugins/deploy/deploytest"
	"github.com/orch-host/orch/sdk/pluginv1"
	"github.com/orch-host/orch/sdk/sdktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// specs are loaded once for all tests of a process: parsing them takes longer than most tests.
var specs *deploytest.Specs

func findSpecs(t testing.TB) *deploytest.Specs {
	t.Helper()
	if specs == nil {
		specs = deploytest.FindSpecs(t)
	}
	return specs
}

// fast is a pace for fakes that answer at once.
func fast() pace {
	return pace{first: time.Millisecond, max: 2 * time.Millisecond, railway: time.Millisecond, settle: 2 * time.Second, flyWait: time.Second, health: 2 * time.Millisecond}
}

// matrix marks one case of many: they run side by side, for most of their time is waiting, and -short plays a fifth.
func matrix(t *testing.T) {
	t.Helper()
	if testing.Short() && fnv32(t.Name())%5 != 0 {
		t.Skip("one of many cases, and this is a short run")
	}
	t.Parallel()
}

func fnv32(s string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s))
	return h.Sum32()
}

// Canaries are the secrets of every test. None may ever be seen.
const (
	canaryToken  = "canary-token-7f3a9c51d2"
	canarySecret = "canary-secret-b8e04d6612"
)

func isCanary(data []byte) bool {
	return bytes.Contains(data, []byte(canaryToken)) || bytes.Contains(data, []byte(canarySecret))
}

// gate is the part of a fake that a run drives.
type gate interface {
	Revive() bool
	Dead() bool
}

// run plays Temporal: it schedules activities, makes up to three attempts of each and carries heartbeats over.
type run struct {
	t     testing.TB
	h     *sdktest.Harness
	gate  gate
	seen  *bytes.Buffer // everything that left the plugin
	id    string
	next  int
	amnes bool // heartbeats of attempts that died are lost
	// crashes counts attempts that died.
	crashes, attempts int
}

func newRun(t testing.TB, config map[string]any, g gate) *run {
	t.Helper()
	d := newDeployer(fast())
	d.docker = func() (dockerAPI, error) { return nil, errNoDocker }
	return newRunWith(t, d, config, g)
}

var errNoDocker = errors.New("no Docker in this test")

func newRunWith(t testing.TB, d *deployer, config map[string]any, g gate) *run {
	t.Helper()
	r := &run{t: t, gate: g, seen: &bytes.Buffer{}, id: "run-1"}
	config["secrets"] = map[string]any{"DATABASE_URL": canarySecret}
	r.h = sdktest.Start(t, d.plugin("1.0.0"), sdktest.Config(config))
	t.Cleanup(func() {
		if isCanary(r.seen.Bytes()) {
			t.Errorf("a secret left the plugin: %s", cutAround(r.seen.String()))
		}
	})
	return r
}

func cutAround(s string) string {
	i := max(strings.Index(s, canaryToken), strings.Index(s, canarySecret))
	return s[max(0, i-200):min(len(s), i+60)]
}

// failure is what a workflow sees of a failed activity.
type failure struct {
	Type, Message string
	Final         bool
	RetryAfter    time.Duration
	Details       string
}

func (f *failure) Error() string { return f.Type + ": " + f.Message }

// do runs one activity as a workflow would.
func (r *run) do(activity string, in map[string]any, out any) *failure {
	r.t.Helper()
	r.next++
	var last any
	var f *failure
	for attempt := 1; attempt <= 3; attempt++ {
		r.gate.Revive()
		r.attempts++
		o := r.h.Execute(sdktest.Call{Activity: activity, Args: []any{in}, LastHeartbeat: last, Attempt: attempt,
			RunID: fmt.Sprintf("%s-%d", r.id, r.next), WorkflowID: "deploy"})
		r.note(o)
		died := r.gate.Dead()
		if !(died && r.amnes) && len(o.Heartbeats) > 0 {
			last = json.RawMessage(o.Heartbeats[len(o.Heartbeats)-1])
		}
		if died {
			r.crashes++
			f = &failure{Type: "PluginCrashed"}
			continue // whatever it said, nobody heard it
		}
		if o.Failure == nil {
			if out != nil {
				if err := o.Decode(out); err != nil {
					r.t.Fatalf("%s: %v", activity, err)
				}
			}
			return nil
		}
		f = failureOf(o.Failure)
		if f.Final {
			return f
		}
	}
	return f
}

func failureOf(p *pluginv1.Failure) *failure {
	f := &failure{Type: p.GetType(), Message: p.GetMessage(), Final: p.GetNonRetryable(), RetryAfter: p.GetNextRetryDelay().AsDuration()}
	for _, d := range p.GetDetails() {
		f.Details += string(d.GetData())
	}
	return f
}

// note keeps everything that left the plugin, for the canary.
func (r *run) note(o sdktest.Outcome) {
	for _, v := range []any{o.Result, o.Heartbeats, o.Logs, o.Progress, o.Failure} {
		data, _ := json.Marshal(v)
		r.seen.Write(data)
	}
	if o.Failure != nil {
		r.seen.WriteString(o.Failure.GetMessage() + o.Failure.GetStack())
		for _, d := range o.Failure.GetDetails() {
			r.seen.Write(d.GetData())
		}
	}
	for _, l := range o.Logs {
		r.seen.WriteString(l.String())
	}
}

func (r *run) must(activity string, in map[string]any, out any) {
	r.t.Helper()
	if f := r.do(activity, in, out); f != nil {
		r.t.Fatalf("%s failed: %v", activity, f)
	}
}

func with(base map[string]any, more map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range base {
		out[k] = v
	}
	for k, v := range more {
		out[k] = v
	}
	return out
}
