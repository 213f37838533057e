package observability

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheParamsOfOneIngestDoNotChangeTheDefaultsOfTheNext(t *testing.T) {
	yes := true
	g := &group{}
	g.config.Store(&Config{Ingest: Ingest{Roots: []string{"/a"}, Include: []string{"*.log"}, Exclude: []string{"x"},
		Labels: map[string]string{"team": "a"}, Containers: []string{"shop-*"}, Docker: &yes, Multiline: &Multiline{Start: "^A"}}})
	before, err := g.configureIngest(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.configureIngest(t.Context(), map[string]any{"roots": []string{"/b"}, "include": []string{"b"}, "exclude": []string{"b"},
		"labels": map[string]string{"b": "b"}, "containers": []string{"b"}, "docker": false, "multiline": map[string]any{"start": "^B", "max_lines": 7}}); err != nil {
		t.Fatal(err)
	}
	after, err := g.configureIngest(t.Context(), nil)
	want := Ingest{Roots: []string{"/a"}, Include: []string{"*.log"}, Exclude: []string{"x"}, Labels: map[string]string{"team": "a"},
		Containers: []string{"shop-*"}, Docker: new(true), Multiline: &Multiline{Start: "^A"},
		Endpoint: before.Endpoint, BatchSize: before.BatchSize, FlushIntervalSeconds: before.FlushIntervalSeconds}
	if diff := cmp.Diff(want, after); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
