package supervisor

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orch-host/orch/sdk/pluginv1"
)

func TestWhatBreaksCallers(t *testing.T) {
	offer := func(name, in, out string) *pluginv1.ActivitySpec {
		return &pluginv1.ActivitySpec{Name: name, InputSchema: []byte(in), OutputSchema: []byte(out)}
	}
	old := offer("x", `{"properties":{"a":{},"b":{}},"required":["a"]}`, `{"properties":{"id":{},"url":{}}}`)
	tests := []struct {
		name string
		next []*pluginv1.ActivitySpec
		want []string
	}{
		{"nothing has changed", []*pluginv1.ActivitySpec{old}, nil},
		{"an activity is gone", []*pluginv1.ActivitySpec{offer("y", "", "")}, []string{"activity x is gone"}},
		{"an activity is added", []*pluginv1.ActivitySpec{old, offer("y", "", "")}, nil},
		{"an input is newly required", []*pluginv1.ActivitySpec{offer("x", `{"required":["a","b"]}`, string(old.GetOutputSchema()))}, []string{`activity x now requires input "b"`}},
		{"an input is no longer required", []*pluginv1.ActivitySpec{offer("x", `{}`, string(old.GetOutputSchema()))}, nil},
		{"an output is gone", []*pluginv1.ActivitySpec{offer("x", "", `{"properties":{"id":{}}}`)}, []string{`activity x no longer returns "url"`}},
		{"an output is added", []*pluginv1.ActivitySpec{offer("x", "", `{"properties":{"id":{},"url":{},"more":{}}}`)}, nil},
		{"the output is described no more", []*pluginv1.ActivitySpec{offer("x", "", "")}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Breaking(&pluginv1.Manifest{Activities: []*pluginv1.ActivitySpec{old}}, &pluginv1.Manifest{Activities: tt.next})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
