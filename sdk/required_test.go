package sdk_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/orch-host/orch/sdk"
	"github.com/orch-host/orch/sdk/sdktest"
)

// plain reads itself: nobody but it knows which keys it needs.
type plain struct {
	Host string `json:"host"`
}

func (p *plain) UnmarshalJSON([]byte) error { return nil }

func TestAMissingFieldIsRefusedHoweverDeepItIs(t *testing.T) {
	type check struct {
		Path string `json:"path"`
		Code int    `json:"code,omitempty"`
	}
	type server struct {
		Host   string   `json:"host"`
		Checks []check  `json:"checks,omitempty"`
		Pair   [2]check `json:"pair,omitzero"`
	}
	type in struct {
		At      server            `json:"at"`
		Maybe   *server           `json:"maybe,omitempty"`
		ByName  map[string]server `json:"by_name,omitempty"`
		Servers []*server         `json:"servers,omitempty"`
		Plain   plain             `json:"plain,omitempty"`
		Any     any               `json:"any,omitempty"`
		Text    server            `json:"-"`
	}
	h := sdktest.Start(t, plugin(
		sdk.Activity("deep", "", func(context.Context, in) (string, error) { return "ok", nil }),
		sdk.Activity("list", "", func(context.Context, []check) (string, error) { return "ok", nil }),
		sdk.Activity("positions", "", func(context.Context, struct {
			Name string
			At   server
		}) (string, error) {
			return "ok", nil
		})))
	const at = `"at": {"host": "h"}`
	for _, c := range []struct{ activity, args, missing string }{
		{"deep", `{}`, "at"},
		{"deep", `{"at": {}}`, "at.host"},
		{"deep", `{"at": null}`, "at.host"},
		{"deep", `{"at": {"host": "h", "checks": [{"path": "/"}, {"code": 200}]}}`, "at.checks[1].path"},
		{"deep", `{"at": {"host": "h", "pair": [{}, {"path": "/"}]}}`, "at.pair[0].path"},
		{"deep", `{` + at + `, "maybe": {}}`, "maybe.host"},
		{"deep", `{` + at + `, "by_name": {"a": {"host": "x"}, "b": {"checks": []}}}`, "by_name.b.host"},
		{"deep", `{` + at + `, "servers": [null, {}]}`, "servers[1].host"},
		{"list", `[{"path": "/"}, {}]`, "[1].path"},
		{"positions", `"Ada", {}`, "At.host"},
		{"deep", `{` + at + `}`, ""},
		{"deep", `{"AT": {"Host": "h", "CHECKS": [{"Path": "/"}]}, "maybe": null, "by_name": null, "servers": null, "plain": {}, "any": {"host": {}}}`, ""},
		{"list", `null`, ""},
		{"positions", `"Ada", {"host": "h"}`, ""},
	} {
		var args []any
		var texts []json.RawMessage
		if err := json.Unmarshal([]byte(`[`+c.args+`]`), &texts); err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			args = append(args, text)
		}
		f := h.Execute(sdktest.Call{Activity: c.activity, Args: args}).Failure
		switch {
		case c.missing == "":
			if f != nil {
				t.Errorf("%s(%s) is refused: %s", c.activity, c.args, f.GetMessage())
			}
		case f.GetType() != sdk.TypeInvalidInput || !f.GetNonRetryable() || !strings.HasSuffix(f.GetMessage(), `the input lacks the required field "`+c.missing+`"`):
			t.Errorf("%s(%s): got %v, want it to lack %s", c.activity, c.args, f, c.missing)
		}
	}
}

// A type that holds itself has no schema; the check must not go round in it.
func TestATypeThatHoldsItselfIsRefusedAsATypeWithoutSchema(t *testing.T) {
	type node struct {
		Name string  `json:"name"`
		Next []*node `json:"next,omitempty"`
	}
	if _, err := sdk.NewServer(plugin(sdk.Activity("node", "", func(context.Context, node) (string, error) { return "", nil }))); err == nil || !strings.Contains(err.Error(), "cycle") {
		t.Errorf("got %v", err)
	}
}
