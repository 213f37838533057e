package container

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAStoppedContainerIsStarted(t *testing.T) {
	w := newWorld(t)
	first := w.ensure(w.spec("hello"))
	stopped, err := w.Stop(t.Context(), w.spec("").Ref())
	if err != nil || !stopped.Changed {
		t.Fatalf("Stop: %+v, %v", stopped, err)
	}
	again := w.ensure(w.spec("hello"))
	if again.Action != Started || again.ID != first.ID {
		t.Errorf("got %s %s, want started %s", again.Action, again.ID, first.ID)
	}
	if got := w.says(again); got != "hello" {
		t.Errorf("it says %q", got)
	}
}

func TestAStoppedContainerComesBackAfterItsNetworkWasRemoved(t *testing.T) {
	w := newWorld(t)
	w.ensure(w.spec("hello"))
	if _, err := w.Stop(t.Context(), w.spec("").Ref()); err != nil {
		t.Fatal(err)
	}
	if err := w.api.NetworkRemove(t.Context(), w.service); err != nil {
		t.Fatal(err)
	}
	again := w.ensure(w.spec("hello"))
	if again.Action != Replaced || w.says(again) != "hello" {
		t.Errorf("got %s, want replaced", again.Action)
	}
}

func TestAPortIsReachedAtTheLoopbackAddressThatItIsBoundTo(t *testing.T) {
	w := newWorld(t)
	s := w.spec("hello")
	s.Ports[0].HostIP = "127.0.0.2"
	s.ReadyTimeout = 5 * time.Second
	res := w.ensure(s)
	if got := w.says(res); got != "hello" || !strings.HasPrefix(res.Endpoints.Addr(8080), "127.0.0.2:") {
		t.Errorf("%+v says %q", res.Endpoints, got)
	}
}

func TestAStopEndsWhatACrashLeftRunningInTheMiddleOfAReplacement(t *testing.T) {
	w := newWorld(t)
	first := w.ensure(w.spec("old"))
	if err := w.api.ContainerRename(t.Context(), first.ID, first.Name+suffixPrev); err != nil { // and then the caller died
		t.Fatal(err)
	}
	stopped, err := w.Stop(t.Context(), w.spec("").Ref())
	if err != nil || !stopped.Changed {
		t.Errorf("Stop: %+v, %v", stopped, err)
	}
	if diff := cmp.Diff(map[string]string{first.Name + suffixPrev: "exited"}, w.containers()); diff != "" {
		t.Errorf("containers (-want +got):\n%s", diff)
	}
	if res := w.ensure(w.spec("new")); w.says(res) != "new" || len(w.containers()) != 1 {
		t.Errorf("afterwards %+v, containers %v", res, w.containers())
	}
}

func TestADeleteTakesAwayTheCheckThatACrashLeft(t *testing.T) {
	w := newWorld(t)
	s, err := w.spec("x").normalized()
	if err != nil {
		t.Fatal(err)
	}
	w.ensure(s)
	s.Ports, s.Volumes, s.Networks = nil, nil, nil
	if _, err := w.create(t.Context(), s, "run", s.Name+".run-left", map[string]string{LabelOneShot: "true"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Delete(t.Context(), s.Ref(), DeleteOptions{Purge: true}); err != nil {
		t.Fatal(err)
	}
	if got := w.containers(); len(got) != 0 {
		t.Errorf("containers %v, want none", got)
	}
}

func TestADeleteKeepsVolumesUnlessTheyArePurged(t *testing.T) {
	w := newWorld(t)
	s := w.spec("hello")
	w.ensure(s)
	kept, err := w.Delete(t.Context(), s.Ref(), DeleteOptions{})
	want := DeleteResult{Name: w.service + "-web", Changed: true, KeptVolumes: []string{w.service + "-web-data"}, RemovedNetworks: []string{w.service}}
	if diff := cmp.Diff(want, kept); err != nil || diff != "" {
		t.Fatalf("Delete: %v (-want +got):\n%s", err, diff)
	}
	purged, err := w.Delete(t.Context(), s.Ref(), DeleteOptions{Purge: true})
	want = DeleteResult{Name: w.service + "-web", Changed: true, RemovedVolumes: []string{w.service + "-web-data"}}
	if diff := cmp.Diff(want, purged); err != nil || diff != "" {
		t.Fatalf("Delete with purge: %v (-want +got):\n%s", err, diff)
	}
	again, err := w.Delete(t.Context(), s.Ref(), DeleteOptions{Purge: true})
	if diff := cmp.Diff(DeleteResult{Name: w.service + "-web"}, again); err != nil || diff != "" {
		t.Fatalf("Delete of nothing: %v (-want +got):\n%s", err, diff)
	}
	stopped, err := w.Stop(t.Context(), s.Ref())
	if diff := cmp.Diff(StopResult{Name: w.service + "-web"}, stopped); err != nil || diff != "" {
		t.Fatalf("Stop of nothing: %v (-want +got):\n%s", err, diff)
	}
}

func TestRunTellsExitCodeAndOutput(t *testing.T) {
	w := newWorld(t)
	s := w.spec("x")
	s.Cmd = []string{"exit", "2", "line 1 is wrong"}
	res, err := w.Run(t.Context(), s)
	if diff := cmp.Diff(RunResult{ExitCode: 2, Output: "line 1 is wrong\n"}, res); err != nil || diff != "" {
		t.Errorf("Run: %v (-want +got):\n%s", err, diff)
	}
	if got := w.containers(); len(got) != 0 {
		t.Errorf("containers %v, want none", got)
	}
}
