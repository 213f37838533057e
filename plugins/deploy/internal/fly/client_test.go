package fly

import (
	"encoding/json"
	"testing"

	"github.com/orch-host/orch/plugins/deploy/internal/httpapi"
)

func TestTheSchemeFollowsTheToken(t *testing.T) {
	for token, want := range map[string]string{
		"FlyV1 fm2_abc": "FlyV1 fm2_abc", "fm2_abc": "FlyV1 fm2_abc", "fm1r_abc": "FlyV1 fm1r_abc", " plain\n": "Bearer plain",
	} {
		if got := authorization(token); got != want {
			t.Errorf("%q: %q, want %q", token, got, want)
		}
	}
}

func TestALeaseIsReadBareAndWrapped(t *testing.T) {
	for _, text := range []string{
		`{"nonce":"n","description":"d","expires_at":7}`,
		`{"status":"success","data":{"nonce":"n","description":"d","expires_at":7}}`,
	} {
		var l Lease
		if err := json.Unmarshal([]byte(text), &l); err != nil || l.Nonce != "n" || l.Description != "d" || l.ExpiresAt != 7 {
			t.Errorf("%s: %+v, %v", text, l, err)
		}
	}
}

func TestRefusalsAreKnownByTheirText(t *testing.T) {
	for text, want := range map[string]struct {
		kind httpapi.Kind
		code string
	}{
		"Validation failed: Name has already been taken":                                                    {httpapi.NameTaken, CodeNameTaken},
		`already_exists: unique machine name violation, machine ID 32874 already exists with name "shop-1"`: {httpapi.Conflict, CodeMachineExists},
		"lease currently held by 1a2b@tokens.fly.io, expires at 2026-01-01T00:00:00Z":                       {httpapi.Conflict, CodeLeaseHeld},
		"something else": {httpapi.Invalid, ""},
	} {
		// Sources differ about the status of these: the text decides.
		for _, status := range []int{409, 422, 400} {
			e := &httpapi.Error{Kind: httpapi.KindOf(status), Status: status, Message: text}
			refine(e, nil, nil)
			if want.code != "" && (e.Kind != want.kind || e.Code != want.code) {
				t.Errorf("%d %s: %s %s", status, text, e.Kind, e.Code)
			}
		}
	}
	if id, ok := ExistingMachine(&httpapi.Error{Message: `machine ID 32874 already exists with name "x"`}); !ok || id != "32874" {
		t.Errorf("%q", id)
	}
}

func TestTheExitCodeIsTheNewestOne(t *testing.T) {
	var m Machine
	text := `{"events":[{"type":"exit","timestamp":5,"request":{"MonitorEvent":{"exit_event":{"exit_code":3}}}},
		{"type":"exit","timestamp":2,"request":{"exit_event":{"exit_code":0}}},{"type":"start","timestamp":9}]}`
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	if code, known := m.ExitCode(); !known || code != 3 {
		t.Errorf("%d %v", code, known)
	}
	if _, known := (Machine{}).ExitCode(); known {
		t.Error("a machine without events has an exit code")
	}
}
