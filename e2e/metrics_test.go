package e2e

import (
	"regexp"
	"strings"
	"testing"
)

// TestTheMetricsAreThoseOfTheOperationsGuide compares a scrape with the table of
// docs/operations.md, both ways.
func TestTheMetricsAreThoseOfTheOperationsGuide(t *testing.T) {
	temporal, _ := temporalOnly(t)
	h := newHosts(t, temporal.port, "[services.{p}]\npipeline = \"ledger\"\n", "a")
	r := h.all[0]
	r.start()
	r.expect(0, "start", "--wait", h.prefix)
	told, err := scrape("http://" + r.info().Listen)
	if err != nil {
		t.Fatal(err)
	}
	if told["orch_activity_attempt_seconds_count"] != 3 {
		t.Errorf("3 activities ran, the metrics say %v", told["orch_activity_attempt_seconds_count"])
	}
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `((?:orch|temporal)_[a-z_]+)`").FindAllStringSubmatch(read(t, "../docs/operations.md"), -1) {
		documented[row[1]] = true
	}
	found := map[string]bool{}
	for name := range told {
		base := name
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			base = strings.TrimSuffix(base, suffix)
		}
		found[base] = true
		if strings.HasPrefix(name, "orch_") && !documented[base] {
			t.Errorf("docs/operations.md does not explain %s", base)
		}
	}
	for name := range documented {
		if !found[name] {
			t.Errorf("docs/operations.md explains %s, which the host does not tell", name)
		}
	}
	if t.Failed() {
		t.Logf("told: %v", told)
	}
}
