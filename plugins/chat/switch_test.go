package chat

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orch-host/orch/plugins/chat/front"
	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/sdk/pluginv1"
	"github.com/orch-host/orch/sdk/sdktest"
)

// front waits until the front's status is as wanted.
func (s *site) front(what string, wanted func(front.Status) bool) {
	s.t.Helper()
	var g container.Group
	defer g.Close(s.t.Context())
	e, err := g.Engine()
	if err != nil {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		status, err := askFront(s.t.Context(), e, s.service, "status")
		if err == nil && wanted(status) {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: %+v, %v", what, status, err)
		}
	}
}

// TestASetupCanceledAfterTheSwitchGoesOnServing: the workflow takes back what a
// canceled step leaves, and that would be what serves.
func TestASetupCanceledAfterTheSwitchGoesOnServing(t *testing.T) {
	s := newSite(t)
	s.configure(func(c map[string]any) { c["app"].(map[string]any)["drain"] = "1m" })
	s.write("1")
	s.setup()
	body, more := io.Pipe() // a request that version 1 is still reading
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := c.Post(fmt.Sprintf("http://127.0.0.1:%d/api/chat", s.port), "application/json", body)
		if err == nil {
			resp.Body.Close()
		}
	}()
	defer func() { more.Close(); <-answered }()
	s.front("the request is open", func(f front.Status) bool { return len(f.Open) == 1 })

	s.write("2")
	do[BuildOutput](s, "build_chat_image_activity")
	ran := do[RunOutput](s, "run_chat_container_activity")
	check := s.Begin(sdktest.Call{Activity: "check_chat_health_activity", Args: []any{s.params()}})
	s.front("version 2 serves", func(f front.Status) bool {
		return container.ContainerName(s.service, serving(f)) == ran.Container
	})
	check.Cancel(pluginv1.Cancel_REQUESTED, 10*time.Second)
	o := check.Wait()
	var checked RunOutput
	if o.Failure != nil {
		t.Fatalf("failed after the switch: %v", o.Failure)
	}
	if err := o.Decode(&checked); err != nil || !checked.Healthy || checked.Cut != 1 {
		t.Errorf("%+v, %v, want it healthy with one request cut", checked, err)
	}
	s.serves("2")
	if left := s.containers(); len(left) != 2 || !slices.Contains(left, ran.Container) {
		t.Errorf("containers %v, want the front and %s", left, ran.Container)
	}
}

// TestADrainThatACrashCutShortEndsThoughThePortHasChanged: the version that
// serves listens on the port that it was made with.
func TestADrainThatACrashCutShortEndsThoughThePortHasChanged(t *testing.T) {
	s := newSite(t)
	s.configure(func(c map[string]any) { c["app"].(map[string]any)["drain"] = "1s" })
	s.write("1")
	s.setup()
	body, more := io.Pipe() // a request that version 1 is still reading
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := c.Post(fmt.Sprintf("http://127.0.0.1:%d/api/chat", s.port), "application/json", body)
		if err == nil {
			resp.Body.Close()
		}
	}()
	defer func() { more.Close(); <-answered }()
	s.front("the request is open", func(f front.Status) bool { return len(f.Open) == 1 })
	first := s.containers()

	s.write("2")
	do[BuildOutput](s, "build_chat_image_activity")
	ran := do[RunOutput](s, "run_chat_container_activity")
	var g container.Group
	defer g.Close(t.Context())
	e, err := g.Engine()
	if err != nil {
		t.Fatal(err)
	}
	alias := strings.TrimPrefix(ran.Container, s.service+"-")
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) { // the step that is cut short
		if _, err = askFront(t.Context(), e, s.service, "switch", "-target", address(Config{}, alias), "-drain", "1ms"); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	s.configure(func(c map[string]any) { c["app"].(map[string]any)["port"] = 9000 })
	next := do[RunOutput](s, "run_chat_container_activity")
	s.serves("2")
	left := s.containers()
	for _, name := range first {
		if name != s.service+"-front" && slices.Contains(left, name) && !strings.Contains(name, "neo4j") {
			t.Errorf("%s of version 1 is left", name)
		}
	}
	if !slices.Contains(left, ran.Container) || !slices.Contains(left, next.Container) {
		t.Errorf("containers %v, want what serves, %s, and the next, %s", left, ran.Container, next.Container)
	}
}
