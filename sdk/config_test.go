package sdk

import (
	"context"
	"strings"
	"testing"
)

func TestARefusedConfigurationNamesTheWholePath(t *testing.T) {
	type limits struct {
		Bytes int `json:"bytes,omitempty"`
	}
	type table struct {
		Name    string            `json:"name,omitempty"`
		Limits  limits            `json:"limits,omitempty"`
		Servers map[string]limits `json:"servers,omitempty"`
		Labels  map[string]string `json:"labels,omitempty"`
		Checks  []limits          `json:"checks,omitempty"`
		Wait    Duration          `json:"wait,omitempty"`
	}
	c := Config(func(context.Context, table) error { return nil })
	for text, want := range map[string]string{
		`{"nam": "x"}`:                                  "nam: unknown key",
		`{"limits": {"bits": 8}}`:                       "limits.bits: unknown key",
		`{"name": "x", "limits": {"name": 8}}`:          "limits.name: unknown key",
		`{"servers": {"a": {}, "b": {"byte": 8}}}`:      "servers.b.byte: unknown key",
		`{"limits": {"bytes": "many"}}`:                 "limits.bytes: is a string, want int",
		`{"servers": {"b": {"bytes": "many"}}}`:         "servers.b.bytes: is a string, want int",
		`{"checks": [{}, {"byte": 8}]}`:                 "checks[1].byte: unknown key",
		`{"checks": [{"bytes": 1}, {"bytes": []}]}`:     "checks[1].bytes: is a array, want int",
		`{"wait": "soon"}`:                              `wait: "soon" is not a duration such as 30s or 5m`,
		`{"labels": {"anything": "goes"}, "label": {}}`: "label: unknown key",
	} {
		problems := problemsOf(c.apply(t.Context(), []byte(text)))
		if len(problems) != 1 || problems[0].GetPath()+": "+problems[0].GetMessage() != want {
			t.Errorf("%s: got %v, want %q", text, problems, want)
		}
	}
	if err := c.apply(t.Context(), []byte(`{"labels": {"any": "x"}, "limits": {"bytes": 1}}`)); err != nil {
		t.Error(err)
	}
	if problems := problemsOf(c.apply(t.Context(), []byte(`[`))); len(problems) != 1 || !strings.Contains(problems[0].GetMessage(), "unexpected") {
		t.Errorf("got %v", problems)
	}
}
