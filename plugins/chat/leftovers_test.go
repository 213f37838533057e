package chat

import (
	"testing"

	dcontainer "github.com/docker/docker/api/types/container"

	"github.com/orch-host/orch/plugins/internal/container"
)

// TestWhatACrashLeftHalfMadeIsTakenBackToo: a container that had not got its
// name yet.
func TestWhatACrashLeftHalfMadeIsTakenBackToo(t *testing.T) {
	s := newSite(t)
	g := &group{}
	defer g.docker.Close(t.Context())
	e, err := g.docker.Engine()
	if err != nil {
		t.Fatal(err)
	}
	a := &app{group: g, engine: e, config: g.current(), service: s.service}
	if _, err := g.ensureFront(t.Context(), e, Config{App: AppConfig{HostPort: s.port}}, s.service); err != nil {
		t.Fatal(err)
	}
	name := container.ContainerName(s.service, "app-1")
	if _, err := e.Client().ContainerCreate(t.Context(), &dcontainer.Config{Image: neo4jImage, Labels: map[string]string{
		container.LabelManaged: "true", container.LabelService: s.service, container.LabelComponent: component,
	}}, nil, nil, nil, name+".next"); err != nil {
		t.Fatal(err)
	}
	if err := a.takeBack(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if left := s.containers(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
