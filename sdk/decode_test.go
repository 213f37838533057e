package sdk_test

import (
	"context"
	"strings"
	"testing"

	"github.com/orch-host/orch/sdk"
	"github.com/orch-host/orch/sdk/sdktest"
)

type location struct {
	City string `json:"city"`
}

type Contact struct {
	Mail string `json:"mail"`
}

func TestAnEmbeddedStructIsReadAsEncodingJSONReadsIt(t *testing.T) {
	type named struct {
		location `json:"at"`
		Contact  `json:"contact"`
		Name     string `json:"name"`
	}
	type promoted struct {
		Contact
		Name string `json:"name"`
	}
	h := sdktest.Start(t, plugin(
		sdk.Activity("named", "", func(_ context.Context, in named) (string, error) { return in.Name + " " + in.Mail, nil }),
		sdk.Activity("promoted", "", func(_ context.Context, in promoted) (string, error) { return in.Name + " " + in.Mail, nil })))
	for activity, in := range map[string]any{
		"named":    map[string]any{"name": "Ada", "contact": map[string]any{"mail": "a@b"}, "at": map[string]any{"city": "x"}},
		"promoted": map[string]any{"name": "Ada", "mail": "a@b"},
	} {
		o := h.Execute(sdktest.Call{Activity: activity, Args: []any{in}})
		if o.Failure != nil || string(o.Result) != `"Ada a@b"` {
			t.Errorf("%s: got %s %v", activity, o.Result, o.Failure)
		}
	}
	if f := h.Execute(sdktest.Call{Activity: "promoted", Args: []any{map[string]any{"name": "Ada"}}}).Failure; !strings.Contains(f.GetMessage(), `"mail"`) {
		t.Errorf("got %v, want it to miss mail", f)
	}
}

func TestAnInputThatCannotBeReadNamesWhere(t *testing.T) {
	type server struct {
		Wait sdk.Duration `json:"wait,omitempty"`
	}
	type in struct {
		Wait    sdk.Duration      `json:"wait,omitempty"`
		Servers []server          `json:"servers,omitempty"`
		ByName  map[string]server `json:"by_name,omitempty"`
	}
	h := sdktest.Start(t, plugin(sdk.Activity("wait", "", func(context.Context, in) (string, error) { return "", nil })))
	for field, arg := range map[string]any{
		`"wait"`:            map[string]any{"wait": "soon"},
		`"servers[1].wait"`: map[string]any{"servers": []any{map[string]any{}, map[string]any{"wait": "soon"}}},
		`"by_name.a.wait"`:  map[string]any{"by_name": map[string]any{"a": map[string]any{"wait": "soon"}}},
	} {
		f := h.Execute(sdktest.Call{Activity: "wait", Args: []any{arg}}).Failure
		if !strings.Contains(f.GetMessage(), field) || !strings.Contains(f.GetMessage(), "is not a duration") {
			t.Errorf("got %q, want it to name %s", f.GetMessage(), field)
		}
	}
}

type Shared struct {
	Mail string `json:"mail"`
}

func TestPositionalArgumentsFillEmbeddedPointers(t *testing.T) {
	type open struct {
		*Shared
		Name string `json:"name"`
	}
	type closed struct {
		*location
		Name string `json:"name"`
	}
	h := sdktest.Start(t, plugin(
		sdk.Activity("open", "", func(_ context.Context, in open) (string, error) { return in.Mail + " " + in.Name, nil }),
		sdk.Activity("closed", "", func(_ context.Context, in closed) (string, error) { return in.Name, nil })))
	if o := h.Execute(sdktest.Call{Activity: "open", Args: []any{"a@b", "Ada"}}); o.Failure != nil || string(o.Result) != `"a@b Ada"` {
		t.Errorf("got %s %v", o.Result, o.Failure)
	}
	// encoding/json cannot set it either.
	f := h.Execute(sdktest.Call{Activity: "closed", Args: []any{"Bergen", "Ada"}}).Failure
	if f.GetType() != sdk.TypeInvalidInput || !f.GetNonRetryable() || !strings.Contains(f.GetMessage(), "city") {
		t.Errorf("got %v, want a final %s about city", f, sdk.TypeInvalidInput)
	}
}
