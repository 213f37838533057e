package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/orch-host/orch/hostcore/supervisor"
)

func TestAListWithNothingInItIsAList(t *testing.T) {
	for _, tt := range []struct {
		value any
		want  string
	}{
		{[]supervisor.Status(nil), "[]\n"},
		{[]supervisor.Result{}, "[]\n"},
		{json.RawMessage("null"), "null\n"},
		{json.RawMessage(nil), "null\n"},
		{nil, "null\n"},
	} {
		var b strings.Builder
		if err := writeJSON(&b, tt.value); err != nil || b.String() != tt.want {
			t.Errorf("%#v is written as %q, %v; want %q", tt.value, b.String(), err, tt.want)
		}
	}
}
