package supervisor

import (
	"testing"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// FuzzBreaking compares schemas of any content: a manifest breaks nothing for
// itself, and no pair of them stops the host.
func FuzzBreaking(f *testing.F) {
	f.Add([]byte(`{"required":["a"],"properties":{"a":{}}}`), []byte(`{"properties":{"b":{}}}`))
	f.Add([]byte(`true`), []byte(`{"required":"a"}`))
	f.Add([]byte(`[`), []byte(nil))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		manifest := func(in, out []byte) *pluginv1.Manifest {
			return &pluginv1.Manifest{Activities: []*pluginv1.ActivitySpec{{Name: "x", InputSchema: in, OutputSchema: out}}}
		}
		old, next := manifest(a, b), manifest(b, a)
		if broken := Breaking(old, old); len(broken) > 0 {
			t.Errorf("breaks itself: %v", broken)
		}
		_ = Breaking(old, next) // must not panic
	})
}
