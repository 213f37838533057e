package container

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	dcontainer "github.com/docker/docker/api/types/container"

	"github.com/orch-host/orch/plugins/internal/ready"
)

// live is a web server that serves a live file; reloads counts what it was told.
func (w *world) live(text string, reloads *int) Spec {
	s := w.spec("")
	s.Cmd = []string{"file", "/etc/web/text"}
	s.Files = []File{{Path: "/etc/web/text", Content: []byte(text), Live: true}}
	s.Reload = func(context.Context, Running) error { *reloads++; return nil }
	return s
}

func TestALiveFileIsReloadedWithoutAnotherContainer(t *testing.T) {
	w := newWorld(t)
	reloads := 0
	first := w.ensure(w.live("one", &reloads))
	second := w.ensure(w.live("two", &reloads))
	if second.Action != Reloaded || second.ID != first.ID || !second.Changed || reloads != 1 {
		t.Errorf("second: %+v after %d reloads, want the same container reloaded once", second, reloads)
	}
	if got := w.says(second); got != "two" {
		t.Errorf("it serves %q, want two", got)
	}
	if third := w.ensure(w.live("two", &reloads)); third.Action != Unchanged || reloads != 1 {
		t.Errorf("third: %s after %d reloads, want unchanged", third.Action, reloads)
	}
	if _, err := w.Stop(t.Context(), Ref{Service: w.service, Component: "web"}); err != nil {
		t.Fatal(err)
	}
	if fourth := w.ensure(w.live("three", &reloads)); fourth.Action != Started || w.says(fourth) != "three" || reloads != 1 {
		t.Errorf("started with another file: %s, serves %q after %d reloads", fourth.Action, w.says(fourth), reloads)
	}
}

func TestAFileThatIsNotTakenUpIsPutBack(t *testing.T) {
	w := newWorld(t)
	reloads := 0
	w.ensure(w.live("one", &reloads))
	s := w.live("two", &reloads)
	s.Reload = func(context.Context, Running) error {
		if reloads++; reloads == 1 {
			return errors.New("I do not like it")
		}
		return nil
	}
	_, err := w.Ensure(t.Context(), s)
	if err == nil || !strings.Contains(err.Error(), "goes on with the previous one: I do not like it") {
		t.Errorf("error %v", err)
	}
	if reloads != 2 {
		t.Errorf("%d reloads, want one with the new file and one with the old", reloads)
	}
	if res := w.ensure(w.live("one", &reloads)); res.Action != Unchanged || w.says(res) != "one" {
		t.Errorf("afterwards: %s, serves %q", res.Action, w.says(res))
	}
}

func TestAFileThatWasWrittenButNotTakenUpIsReloadedByTheNextEnsure(t *testing.T) {
	w := newWorld(t)
	reloads := 0
	w.ensure(w.live("one", &reloads))
	s := w.live("two", &reloads)
	s.Reload = func(context.Context, Running) error { panic("crash") }
	func() {
		defer func() { _ = recover() }()
		_, _ = w.Ensure(t.Context(), s)
	}()
	other := w.engine(Options{}) // the lock went down with the process
	res, err := other.Ensure(t.Context(), w.live("two", &reloads))
	if err != nil || res.Action != Reloaded || reloads != 1 {
		t.Errorf("after the crash: %+v, %v, %d reloads", res, err, reloads)
	}
}

func TestAConfigurationThatItsComponentRefusesReplacesNothing(t *testing.T) {
	w := newWorld(t)
	before := w.ensure(w.spec("old"))
	bad := w.spec("new")
	bad.Verify = &Command{Cmd: []string{"exit", "3", "line 7: no such key"}}
	_, err := w.Ensure(t.Context(), bad)
	var refused *VerifyError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "line 7: no such key") || !strings.Contains(err.Error(), "exit 3") {
		t.Fatalf("error %v, want what the check says", err)
	}
	if after := w.ensure(w.spec("old")); after.Action != Unchanged || after.ID != before.ID {
		t.Errorf("what ran before: %+v", after)
	}
	reloads := 0
	s := w.live("one", &reloads)
	s.Component = "live"
	w.ensure(s)
	s = w.live("two", &reloads)
	s.Component, s.Verify = "live", bad.Verify
	if _, err := w.Ensure(t.Context(), s); !errors.As(err, &refused) || reloads != 0 {
		t.Errorf("a live file that is refused: %v after %d reloads", err, reloads)
	}
	if len(w.containers()) != 2 {
		t.Errorf("containers %v, want the two", w.containers())
	}
}

func TestAnOwnedFolderIsMadeInAVolume(t *testing.T) {
	w := newWorld(t)
	s := w.spec("")
	s.User, s.Cmd = "1234:1234", []string{"write", "/data/own/file", "mine"}
	s.Files = []File{Dir("/data/own", 1234, 1234)}
	if got := w.says(w.ensure(s)); got != "mine" {
		t.Errorf("a user that is not root wrote and read %q", got)
	}
}

func TestAFileThatACrashLeftIsPutRightWhenTheOneBeforeIsWantedAgain(t *testing.T) {
	w := newWorld(t)
	reloads := 0
	w.ensure(w.live("one", &reloads))
	s := w.live("two", &reloads)
	s.Reload = func(context.Context, Running) error { panic("crash") }
	func() {
		defer func() { _ = recover() }()
		_, _ = w.Ensure(t.Context(), s)
	}()
	other := w.engine(Options{})
	res, err := other.Ensure(t.Context(), w.live("one", &reloads))
	if err != nil || res.Action != Reloaded || reloads != 1 {
		t.Errorf("after the crash: %+v, %v, %d reloads", res, err, reloads)
	}
	if got := w.says(res); got != "one" { // what a restart would begin with
		t.Errorf("the file holds %q, want one", got)
	}
}

// crash has the process in the container exit.
func crash(at Endpoints) { _, _ = get("http://" + at.Addr(8080) + "/crash") }

func TestAComponentThatEndsOverItsNewFileIsStartedWithTheOneBefore(t *testing.T) {
	w := newWorld(t)
	reloads := 0
	before := w.ensure(w.live("one", &reloads))
	s := w.live("bad", &reloads)
	s.Reload = func(ctx context.Context, c Running) error {
		if reloads++; reloads == 1 {
			crash(c.At)
		}
		return ready.Poll(ctx, ready.HTTP("http://"+c.At.Addr(8080)+"/", ready.HTTPOptions{Contains: "bad"}), ready.PollOptions{Timeout: time.Second})
	}
	_, err := w.Ensure(t.Context(), s)
	if err == nil || !strings.Contains(err.Error(), "goes on with the previous one") {
		t.Errorf("error %v", err)
	}
	after := w.ensure(w.live("one", &reloads))
	if after.Action != Unchanged || after.ID != before.ID || w.says(after) != "one" {
		t.Errorf("afterwards: %+v, serves %q", after, w.says(after))
	}
}

func TestAContainerThatWasSentASignalIsStillRestarted(t *testing.T) {
	w := newWorld(t)
	reloads := 0
	w.ensure(w.live("one", &reloads))
	s := w.live("two", &reloads)
	s.Reload = func(ctx context.Context, c Running) error { return c.Signal(ctx, "SIGWINCH") }
	res := w.ensure(s)
	crash(res.Endpoints)
	err := ready.Poll(t.Context(), func(ctx context.Context) error {
		c, err := w.api.ContainerInspect(ctx, res.ID)
		if err == nil && (c.RestartCount == 0 || !c.State.Running) {
			err = errors.New("it has not been restarted")
		}
		return err
	}, ready.PollOptions{Every: 50 * time.Millisecond, Timeout: 10 * time.Second})
	if err != nil {
		t.Error(err)
	}
	if _, err := w.Stop(t.Context(), s.Ref()); err != nil {
		t.Fatal(err)
	}
	c, err := w.api.ContainerInspect(t.Context(), res.ID)
	if err != nil || c.State.Running || c.HostConfig.RestartPolicy.Name != dcontainer.RestartPolicyDisabled {
		t.Errorf("stopped: running %v, policy %q, %v: a restart of Docker would bring it back", c.State.Running, c.HostConfig.RestartPolicy.Name, err)
	}
	if res = w.ensure(w.live("two", &reloads)); res.Action != Started {
		t.Errorf("started again: %+v", res)
	}
}
