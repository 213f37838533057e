package chat

import (
	"errors"
	"testing"

	"github.com/orch-host/orch/plugins/internal/container"
)

// TestTheFrontsImageMayGoWhileItIsWanted: the cleanup of another service
// removes it when no container has it.
func TestTheFrontsImageMayGoWhileItIsWanted(t *testing.T) {
	s := newSite(t)
	var g container.Group
	defer g.Close(t.Context())
	e, err := g.Engine()
	if err != nil {
		t.Fatal(err)
	}
	looks := 0
	found := func() (string, error) {
		looks++
		name, err := frontImage(t.Context(), e, program)
		if looks == 1 && err == nil { // between the look and the making of the container
			if err := removeFrontImages(t.Context(), e); err != nil {
				t.Error(err)
			}
		}
		return name, err
	}
	if _, err := (&group{}).runFront(t.Context(), e, Config{App: AppConfig{HostPort: s.port}}, s.service, found); err != nil || looks != 2 {
		t.Errorf("%v after %d looks, want it made again", err, looks)
	}
	var missing *container.ImageError
	none := func() (string, error) { return "localhost:1/none:1", nil }
	if _, err := (&group{}).runFront(t.Context(), e, Config{App: AppConfig{HostPort: s.port}}, s.service+"-b", none); !errors.As(err, &missing) {
		t.Errorf("an image that is never there: %v", err)
	}
}
