package container

import (
	"context"
	"fmt"
	"strings"
	"testing"

	dcontainer "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/google/go-cmp/cmp"

	"github.com/orch-host/orch/sdk"
)

func TestASecondEnsureChangesNothing(t *testing.T) {
	w := newWorld(t)
	first := w.ensure(w.spec("hello"))
	if first.Action != Created || !first.Changed || !first.StandIn {
		t.Errorf("first Ensure: %+v, want created, changed, stand-in", first)
	}
	if got := w.says(first); got != "hello" {
		t.Errorf("the container says %q, want hello", got)
	}
	second := w.ensure(w.spec("hello"))
	want := first
	want.Action, want.Changed = Unchanged, false
	if diff := cmp.Diff(want, second); diff != "" {
		t.Errorf("second Ensure (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{w.service + "-web": "running"}, w.containers()); diff != "" {
		t.Errorf("containers (-want +got):\n%s", diff)
	}
	c, err := w.api.ContainerInspect(t.Context(), first.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.HostConfig.RestartPolicy.Name; got != "unless-stopped" {
		t.Errorf("restart policy of a ready container is %q, want unless-stopped", got)
	}
	if got := c.HostConfig.SecurityOpt; !cmp.Equal(got, []string{"no-new-privileges"}) {
		t.Errorf("security options %v, want no-new-privileges", got)
	}
	if got := c.HostConfig.PortBindings["8080/tcp"][0].HostIP; got != "127.0.0.1" {
		t.Errorf("the port is bound to %q, want 127.0.0.1", got)
	}
}

func TestAnotherSpecReplacesAndKeepsTheVolume(t *testing.T) {
	w := newWorld(t)
	first := w.ensure(w.spec("one"))
	second := w.ensure(w.spec("two"))
	if second.Action != Replaced || second.ID == first.ID {
		t.Errorf("got %s, want replaced", second.Action)
	}
	if got := w.says(second); got != "two" {
		t.Errorf("it says %q, want two", got)
	}
	if diff := cmp.Diff(first.Volumes, second.Volumes); diff != "" {
		t.Errorf("volumes: %s", diff)
	}
	if diff := cmp.Diff(map[string]string{w.service + "-web": "running"}, w.containers()); diff != "" {
		t.Errorf("containers (-want +got):\n%s", diff)
	}
}

func TestASlowContainerIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	s := w.spec("x")
	s.Cmd = []string{"serve", "late", "1500ms"}
	if got := w.says(w.ensure(s)); got != "late" {
		t.Errorf("it says %q", got)
	}
}

func TestFilesAndSecretsReachTheContainerAndNoLabel(t *testing.T) {
	for _, readOnly := range []bool{false, true} {
		t.Run(fmt.Sprintf("with read-only root %v", readOnly), func(t *testing.T) {
			w := newWorld(t)
			s := w.spec("")
			s.Cmd = []string{"file", "/etc/web/deep/config.yaml"}
			s.ReadOnlyRoot = readOnly
			s.Files = []File{
				{Path: "/etc/web/deep/config.yaml", Content: []byte("key: canary-hunter2"), Secret: true},
				{Path: "/opt/web/other", Content: []byte("plain")},
			}
			s.SecretEnv = map[string]sdk.Secret{"TOKEN": "canary-token"}
			res := w.ensure(s)
			if got := w.says(res); got != "key: canary-hunter2" {
				t.Errorf("the file says %q", got)
			}
			c, err := w.api.ContainerInspect(t.Context(), res.ID)
			if err != nil {
				t.Fatal(err)
			}
			for k, v := range c.Config.Labels {
				if strings.Contains(v, "canary") {
					t.Errorf("label %s shows a secret", k)
				}
			}
			if again := w.ensure(s); again.Action != Unchanged {
				t.Errorf("again: %s, want unchanged", again.Action)
			}
			s.Files = append([]File(nil), s.Files...)
			s.Files[0].Content = []byte("key: canary-hunter3")
			changed := w.ensure(s)
			if changed.Action != Replaced || w.says(changed) != "key: canary-hunter3" {
				t.Errorf("with another secret: %s", changed.Action)
			}
			s.SecretEnv = map[string]sdk.Secret{"TOKEN": "canary-token-2"}
			s.Cmd = []string{"env", "TOKEN"}
			if got := w.says(w.ensure(s)); got != "canary-token-2" {
				t.Errorf("the variable says %q", got)
			}
		})
	}
}

func TestATagThatMovedReplacesTheContainer(t *testing.T) {
	w := newWorld(t)
	tag := "orch/test-moving:" + unique()
	if err := w.api.ImageTag(t.Context(), testImage, tag); err != nil {
		t.Fatal(err)
	}
	s := w.spec("hello")
	s.Image = tag
	first := w.ensure(s)
	commit, err := w.api.ContainerCommit(t.Context(), first.ID, dcontainer.CommitOptions{Reference: tag})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.sweep()
		if _, err := w.api.ImageRemove(context.Background(), commit.ID, image.RemoveOptions{Force: true, PruneChildren: true}); err != nil {
			t.Error(err)
		}
	})
	second := w.ensure(s)
	if second.Action != Replaced || second.ImageID != commit.ID {
		t.Errorf("got %s of image %s, want replaced by %s", second.Action, second.ImageID, commit.ID)
	}
	if _, err := w.api.ImageRemove(t.Context(), tag, image.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	if third := w.ensure(s); third.Action != Unchanged {
		t.Errorf("without the tag: %s, want unchanged", third.Action)
	}
}
