package catalog

import (
	"slices"
	"testing"
)

func TestWhatAPluginMaySeeIsNotWrittenIntoTheConfiguration(t *testing.T) {
	room := make([]string, 1, 10)
	room[0] = "DOCKER_HOST"
	got := Environment(room, []string{"PATH=/bin", "DOCKER_HOST=unix:///x", "TOKEN=y"})
	if want := []string{"PATH=/bin", "DOCKER_HOST=unix:///x"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if rest := room[1:cap(room)]; slices.ContainsFunc(rest, func(s string) bool { return s != "" }) {
		t.Errorf("behind the configured names stands now %q", rest)
	}
}
