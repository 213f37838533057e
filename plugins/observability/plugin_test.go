package observability

import (
	"os"
	"testing"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/sdk"
)

func TestAConfigurationThatCannotBeTakenUpIsNotInForce(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()) // the state folder is there
	t.Setenv("DOCKER_HOST", "unix:///before.sock")
	obstacle := sdk.StateDir(t.Context()) + "/shipments"
	if err := os.WriteFile(obstacle, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	g := &group{}
	t.Cleanup(func() {
		g.stopPushing()
		_ = g.keeper.close(t.Context())
		_ = g.docker.Close(t.Context())
	})
	c := Config{Stack: "other", Docker: container.DockerConfig{Host: "unix:///after.sock"}, Ship: ShipConfig{MetricsEndpoint: "http://127.0.0.1:1"}}
	inForce := func() (stack, engine string) {
		e, err := g.docker.Engine()
		if err != nil {
			t.Fatal(err)
		}
		return g.current().stack(), e.Host()
	}
	if err := g.configure(t.Context(), c); err == nil {
		t.Fatal("the shipments' folder is a file, and nothing is said")
	}
	if stack, engine := inForce(); stack != defaultStack || engine != "unix:///before.sock" || g.pusher != nil {
		t.Errorf("in force: stack %s, engine %s, pusher %v; want what was before", stack, engine, g.pusher)
	}
	if err := os.Remove(obstacle); err != nil {
		t.Fatal(err)
	}
	if err := g.configure(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if stack, engine := inForce(); stack != "other" || engine != "unix:///after.sock" || g.pusher == nil {
		t.Errorf("in force: stack %s, engine %s, pusher %v", stack, engine, g.pusher)
	}
}
