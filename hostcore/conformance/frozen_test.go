package conformance

import "testing"

func TestAPluginBuiltOnTheFrozenFirstProtocolPasses(t *testing.T) {
	r := try(t, Options{Binary: build(t, "../../sdk/pluginv1/testdata/frozen-v1"), Cases: []Case{
		{Activity: "frozen_echo", Input: map[string]any{"text": "ice"}, Expect: map[string]any{"text": "ice"}},
		{Activity: "frozen_wait", Input: map[string]any{}, Cancel: true},
	}})
	if r.Failed != 0 {
		t.Errorf("want no failure:\n%s", tell(r))
	}
}
