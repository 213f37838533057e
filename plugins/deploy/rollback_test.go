package deploy

import (
	"strings"
	"testing"
)

func TestARollbackWithNowhereToGoDoesNotSucceed(t *testing.T) {
	ff, fr := newFly(t)
	if _, _, fail := flyDeployment(fr, nil); fail != nil {
		t.Fatal(fail)
	}
	wf, wr := newRailway(t)
	if _, _, fail := railwayDeployment(wr, nil); fail != nil {
		t.Fatal(fail)
	}
	rf, rr := newRender(t)
	if _, _, fail := renderDeployment(rr, nil); fail != nil {
		t.Fatal(fail)
	}
	updated := ff.Updated
	// What the workflow passes on when only the image before is known, or when it is the same one.
	for name, c := range map[string]struct {
		r        *run
		activity string
		in       map[string]any
		text     string
	}{
		"fly":     {fr, "rollback_flyio_activity", flyApp(map[string]any{"image": "ghcr.io/acme/shop:v2", "previous_image": "ghcr.io/acme/shop:v2"}), "configuration"},
		"railway": {wr, "rollback_railway_activity", railwayApp(map[string]any{"previous_image": "ghcr.io/acme/shop:v1"}), "ghcr.io/acme/shop:v1"},
		"render":  {rr, "rollback_render_activity", renderApp(map[string]any{"previous_image": "ghcr.io/acme/shop:v1"}), "ghcr.io/acme/shop:v1"},
	} {
		fail := c.r.do(c.activity, c.in, nil)
		if fail == nil || !fail.Final || !strings.Contains(fail.Message, c.text) {
			t.Errorf("%s: %v, want a final failure that names %s", name, fail, c.text)
		}
	}
	if wf.Rollbacks+rf.Rollbacks != 0 || ff.Updated != updated {
		t.Error("something was changed")
	}
}
