package deploy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/orch-host/orch/plugins/deploy/deploytest"
)

func TestFlySurvivesEveryFaultOfEveryMutation(t *testing.T) {
	ops := map[string][]string{
		"rolling":   {opFlyCreateApp, opFlyIP, opFlySecrets, opFlyCreateMachine, opFlyUpdate, opFlyLease, opFlyDestroy},
		"bluegreen": {opFlyCreateMachine, opFlyUncordon, opFlyCordon, opFlyDestroy, opFlyLease},
	}
	faults := map[string]deploytest.Fault{
		"reset before the work":         {Drop: true},
		"reset after the work":          {Drop: true, Work: true},
		"500":                           {Status: 500, Body: `{"error":"boom ` + canarySecret + `"}`},
		"500 after the work":            {Status: 500, Work: true, Body: `{"error":"boom"}`},
		"502 page after the work":       {Status: 502, Work: true, Body: `<html>bad gateway ` + canaryToken},
		"429 with Retry-After":          {Status: 429, Header: map[string][]string{"Retry-After": {"7"}}, Body: `{"error":"rate limit"}`},
		"200 with half a body":          {Status: 200, Work: true, Body: `{"id":"m00`},
		"408":                           {Status: 408, Body: `{"error":"timeout"}`},
		"409 as for a concurrent write": {Status: 409, Body: `{"error":"conflict"}`},
	}
	for strategy, list := range ops {
		for _, op := range list {
			for name, fault := range faults {
				for nth := 1; nth <= 2; nth++ {
					t.Run(fmt.Sprintf("%s/%s/%s/%d", strategy, op, name, nth), func(t *testing.T) {
						matrix(t)
						f, r := newFly(t)
						fault := fault
						fault.Op, fault.Nth = op, nth
						f.Script(&fault)
						_, second, fail := flyDeployment(r, map[string]any{"strategy": strategy, "release_command": "bin/migrate"})
						if fail != nil {
							t.Fatalf("verdict %v after %v", fail, f.Log())
						}
						oneFlyApp(t, f, "ghcr.io/acme/shop:v2")
						if second.PreviousImage != "ghcr.io/acme/shop:v1" || !second.Changed {
							t.Errorf("second: %+v", second)
						}
						if f.Releases != 2 {
							t.Errorf("the release command ran %d times, want once per version", f.Releases)
						}
					})
				}
			}
		}
	}
}

func TestFlyDeploysOnceWhereverThePluginDies(t *testing.T) {
	for _, strategy := range []string{"rolling", "bluegreen"} {
		more := map[string]any{"strategy": strategy, "release_command": "bin/migrate"}
		f, r := newFly(t)
		if _, _, fail := flyDeployment(r, more); fail != nil {
			t.Fatal(fail)
		}
		calls := f.Calls()
		for n := 1; n <= calls; n++ {
			for _, when := range []deploytest.When{deploytest.BeforeWork, deploytest.AfterWork} {
				for _, amnesia := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/call %d/after work %v/heartbeats lost %v", strategy, n, when == deploytest.AfterWork, amnesia), func(t *testing.T) {
						matrix(t)
						f, r := newFly(t)
						r.amnes = amnesia
						f.CutAt(n, when)
						first, second, fail := flyDeployment(r, more)
						if fail != nil {
							t.Fatalf("verdict %v after %v", fail, f.Log())
						}
						if r.crashes != 1 {
							t.Fatalf("the plugin died %d times", r.crashes)
						}
						oneFlyApp(t, f, "ghcr.io/acme/shop:v2")
						if f.Releases != 2 {
							t.Errorf("the release command ran %d times, want once per version: %v", f.Releases, f.Log())
						}
						if f.Created > map[string]int{"rolling": 1, "bluegreen": 2}[strategy] {
							t.Errorf("%d machines were created", f.Created)
						}
						if !first.Changed || !second.Changed || second.PreviousImage != "ghcr.io/acme/shop:v1" {
							t.Errorf("results: %+v, %+v", first, second)
						}
					})
				}
			}
		}
	}
}

func TestFlyVerdicts(t *testing.T) {
	cases := map[string]struct {
		prepare func(f *deploytest.Fly)
		input   map[string]any
		typ     string
		final   bool
		text    string
	}{
		"a token that is refused": {
			prepare: func(f *deploytest.Fly) {
				f.Script(&deploytest.Fault{Op: "GET /apps/{app_name}", Status: 401, Body: `{"error":"unauthorized"}`})
			},
			typ: "AuthError", final: true, text: "check the fly token",
		},
		"a name of another organisation": {
			prepare: func(f *deploytest.Fly) { f.Taken = map[string]bool{"shop": true} },
			typ:     "NameTaken", final: true, text: "choose another app_name",
		},
		"an app of another organisation of ours": {
			prepare: func(f *deploytest.Fly) { f.AddApp("shop"); f.Org = "other" },
			typ:     "NameTaken", final: true, text: "belongs to organisation other",
		},
		"a name that is taken between look and creation": {
			prepare: func(f *deploytest.Fly) {
				f.Script(&deploytest.Fault{Op: "GET /apps/{app_name}", Status: 404, Body: `{"error":"not found"}`})
				f.Taken = map[string]bool{"shop": true}
			},
			typ: "NameTaken", final: true,
		},
		"an account that must pay": {
			prepare: func(f *deploytest.Fly) {
				f.Script(&deploytest.Fault{Op: opFlyCreateApp, Status: 402, Body: `{"error":"add a card"}`})
			},
			typ: "BillingError", final: true,
		},
		"a machine that cannot be launched": {
			prepare: func(f *deploytest.Fly) {
				f.Image = func(string) deploytest.FlyFate { return deploytest.FlyLaunchFailed }
			},
			typ: "DeployFailed", final: true, text: "event launch failed",
		},
		"a process that ends at once": {
			prepare: func(f *deploytest.Fly) { f.Image = func(string) deploytest.FlyFate { return deploytest.FlyExits } },
			typ:     "DeployFailed", final: true, text: "code 1",
		},
		"a release command that fails": {
			prepare: func(f *deploytest.Fly) { f.Image = func(string) deploytest.FlyFate { return deploytest.FlyExits } },
			input:   map[string]any{"release_command": "bin/migrate"},
			typ:     "DeployFailed", final: true, text: "no live machine was touched",
		},
		"checks that never pass": {
			input: map[string]any{"image": "ghcr.io/acme/shop:critical", "deploy_timeout": "200ms"},
			typ:   "DeployFailed", final: true, text: "check servicecheck-00-http-8080 is critical: connect: connection refused ***",
		},
		"a machine that never starts": {
			prepare: func(f *deploytest.Fly) { f.StartAfter = 1 << 30 },
			input:   map[string]any{"deploy_timeout": "100ms"},
			typ:     "DeployFailed", final: true, text: "it does not start",
		},
		"a region without room": {
			prepare: func(f *deploytest.Fly) { f.NoRoom = map[string]bool{"fra": true} },
			typ:     "InsufficientCapacity", final: true,
		},
		"a server that is down for good": {
			prepare: func(f *deploytest.Fly) {
				for n := 1; n < 10; n++ {
					f.Script(&deploytest.Fault{Op: "GET /apps/{app_name}", Nth: n, Status: 503, Header: map[string][]string{"Retry-After": {"11"}}})
				}
			},
			typ: "ServerError", final: false,
		},
		"an image that is missing":  {input: map[string]any{"image": ""}, typ: "InvalidRequest", final: true, text: "image is missing"},
		"a secret without a value":  {input: map[string]any{"secret_refs": []string{"NOPE"}}, typ: "InvalidRequest", final: true, text: `NOPE = "env:NOPE"`},
		"a value in place of names": {input: map[string]any{"secret_refs": []string{"postgres://u:p@h/db"}}, typ: "InvalidRequest", final: true, text: "never a value"},
		"an app name with capitals": {input: map[string]any{"app_name": "Shop"}, typ: "InvalidRequest", final: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f, r := newFly(t)
			if c.prepare != nil {
				c.prepare(f)
			}
			_, _, fail := flyDeployment(r, c.input)
			if fail == nil || fail.Type != c.typ || fail.Final != c.final || !strings.Contains(fail.Message, c.text) {
				t.Fatalf("verdict %+v, want %s (final %v) with %q", fail, c.typ, c.final, c.text)
			}
			if strings.Contains(fail.Message, "postgres://") {
				t.Error("the value that stood in place of a name is repeated")
			}
		})
	}
}

func TestFlyBlueGreenKeepsTheOldVersionWhenTheNewOneFails(t *testing.T) {
	f, r := newFly(t)
	blueGreen := map[string]any{"strategy": "bluegreen"}
	r.must("create_flyio_app_activity", flyApp(blueGreen), nil)
	r.must("set_flyio_secrets_activity", flyApp(blueGreen), nil)
	r.must("deploy_to_flyio_activity", flyApp(blueGreen), nil)
	f.Image = func(image string) deploytest.FlyFate {
		if strings.HasSuffix(image, "v2") {
			return deploytest.FlyExits
		}
		return deploytest.FlyWell
	}
	fail := r.do("deploy_to_flyio_activity", flyApp(with(blueGreen, map[string]any{"image": "ghcr.io/acme/shop:v2"})), nil)
	if fail == nil || fail.Type != "DeployFailed" {
		t.Fatalf("verdict %v", fail)
	}
	oneFlyApp(t, f, "ghcr.io/acme/shop:v1")
	if len(f.Cordoned) != 0 {
		t.Error("the old machine was taken out of the load balancer")
	}
}

func TestFlyTriesTheNextRegionWhenOneHasNoRoom(t *testing.T) {
	f, r := newFly(t)
	f.NoRoom = map[string]bool{"fra": true}
	r.must("create_flyio_app_activity", flyApp(nil), nil)
	var res Result
	r.must("deploy_to_flyio_activity", flyApp(map[string]any{"fallback_regions": []string{"ams"}}), &res)
	if len(res.Warnings) != 1 || len(f.Machines("shop")) != 1 {
		t.Errorf("%+v", res)
	}
}

func TestFlyRefusesToDeployWhileAnotherDeploymentHoldsTheLease(t *testing.T) {
	f, r := newFly(t)
	r.must("create_flyio_app_activity", flyApp(nil), nil)
	r.must("deploy_to_flyio_activity", flyApp(nil), nil)
	f.HoldLease("shop", "orch orch-1234 run other", time.Hour)
	fail := r.do("deploy_to_flyio_activity", flyApp(map[string]any{"image": "ghcr.io/acme/shop:v2"}), nil)
	if fail == nil || fail.Type != "Conflict" || fail.Final || fail.RetryAfter < 5*time.Second || !strings.Contains(fail.Message, "orch-1234") {
		t.Fatalf("verdict %+v, want a Conflict that names the other deployment and says when to come back", fail)
	}
	if m := f.Machines("shop"); m[0].Image != "ghcr.io/acme/shop:v1" {
		t.Error("the machine was changed under somebody else's lease")
	}
}
