package sdk

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

func TestTheTextAroundAConfigProblemIsKept(t *testing.T) {
	bytes, port := ConfigProblem("limits.bytes", "is negative"), ConfigProblem("port", "is taken")
	plain := errors.New("the disk is full")
	for name, c := range map[string]struct {
		err  error
		want []string
	}{
		"a problem":               {bytes, []string{"limits.bytes: is negative"}},
		"joined":                  {errors.Join(bytes, plain, port), []string{"limits.bytes: is negative", ": the disk is full", "port: is taken"}},
		"wrapped":                 {fmt.Errorf("check the limits: %w", bytes), []string{"limits.bytes: check the limits: is negative"}},
		"wrapped twice":           {fmt.Errorf("a: %w", fmt.Errorf("b: %w", bytes)), []string{"limits.bytes: a: b: is negative"}},
		"a join that is wrapped":  {fmt.Errorf("server b: %w", errors.Join(bytes, port)), []string{"limits.bytes: server b: is negative", "port: server b: is taken"}},
		"a join with a plain one": {fmt.Errorf("server b: %w", errors.Join(plain, port)), []string{": server b: the disk is full", "port: server b: is taken"}},
		"a join in a sentence":    {fmt.Errorf("start: %w and %w", errors.Join(plain, port), plain), []string{"port: start: the disk is full\nport: is taken and the disk is full"}},
		"two with a text":         {fmt.Errorf("start: %w; and %w", bytes, plain), []string{"limits.bytes: start: is negative; and the disk is full"}},
		"two plain ones":          {fmt.Errorf("start: %w; and %w", plain, plain), []string{": start: the disk is full; and the disk is full"}},
		"two that point":          {fmt.Errorf("start: %w; and %w", bytes, port), []string{"limits.bytes: start: limits.bytes: is negative; and port: is taken", "port: start: limits.bytes: is negative; and port: is taken"}},
		"a plain one":             {fmt.Errorf("a: %w", plain), []string{": a: the disk is full"}},
		"no path":                 {fmt.Errorf("a: %w", ConfigProblem("", "b")), []string{": a: b"}},
	} {
		var got []string
		for _, p := range problemsOf(c.err) {
			got = append(got, p.GetPath()+": "+p.GetMessage())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
