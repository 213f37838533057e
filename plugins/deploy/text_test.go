package deploy

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/orch-host/orch/plugins/deploy/deploytest"
)

// What a wire does not carry would be lost together with the verdict that it stands in.
func TestAnErrorPageInAnotherEncodingIsStillAVerdict(t *testing.T) {
	for name, body := range map[string]string{
		"a page in Latin-1":                   "<html>Nicht verf\xfcgbar",
		"a letter at the cut of a long text":  strings.Repeat("x", 999) + strings.Repeat("ü", 20),
		"a letter at the cut of a JSON error": `{"error":"` + strings.Repeat("x", 999) + strings.Repeat("ü", 20) + `"}`,
	} {
		f, r := newFly(t)
		for n := 1; n < 5; n++ {
			f.Script(&deploytest.Fault{Op: "GET /apps/{app_name}", Nth: n, Status: 502, Body: body})
		}
		fail := r.do("create_flyio_app_activity", flyApp(nil), nil)
		if fail == nil || fail.Type != "ServerError" || !utf8.ValidString(fail.Message) {
			t.Errorf("%s: %v", name, fail)
		}
	}
}

func TestALogLineThatIsCutStaysText(t *testing.T) {
	f, r := newRender(t)
	f.Leak = strings.Repeat("x", 1983) + strings.Repeat("ü", 20)
	f.Fate = func(string) string { return "update_failed" }
	fail := r.do("deploy_to_render_activity", renderApp(nil), nil)
	if fail == nil || fail.Type != "DeployFailed" || !utf8.ValidString(fail.Message) || !utf8.ValidString(fail.Details) {
		t.Errorf("%v", fail)
	}
}
