package container

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/orch-host/orch/sdk"
)

// waiters counts the goroutines that wait for a container's end.
func waiters() int {
	buf := make([]byte, 4<<20)
	return strings.Count(string(buf[:runtime.Stack(buf, true)]), "ContainerWait.func")
}

func TestAThrowAwayContainerThatHangsIsEndedAndSaysSo(t *testing.T) {
	w := newWorld(t)
	w.Engine = w.engine(Options{RunLimit: time.Second})
	s := w.spec("x")
	s.Cmd, s.SecretEnv = []string{"hang", "canary-x"}, map[string]sdk.Secret{"A": "canary-x"}
	s.Verify = &Command{Cmd: s.Cmd}
	began := time.Now()
	err := w.Verify(t.Context(), s)
	if err == nil || !strings.Contains(err.Error(), "has not ended after 1s") || !strings.Contains(err.Error(), "hanging") {
		t.Errorf("error %v, want the limit and the output", err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
	if left := w.containers(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if err != nil && (raced(err) || outage(err)) {
		t.Errorf("error %v would be taken for the engine's", err)
	}
}

func TestNobodyGoesOnWaitingForAThrowAwayContainer(t *testing.T) {
	if dockerTrouble != nil {
		t.Skipf("docker not available: %v", dockerTrouble)
	}
	w := &world{t: t, service: "orchtest-" + unique()} // beside no other test: they wait too
	w.Engine = w.engine(Options{RunLimit: time.Second})
	t.Cleanup(w.sweep)
	for name, change := range map[string]func(*Spec){
		"that cannot be started": func(s *Spec) { s.Entrypoint = []string{"/nothing"} },
		"that hangs":             func(s *Spec) { s.Cmd = []string{"hang"} },
		"that has ended":         func(s *Spec) { s.Cmd = []string{"exit", "0"} },
	} {
		s := w.spec("x")
		change(&s)
		if _, err := w.Run(t.Context(), s); (err == nil) != (name == "that has ended") {
			t.Errorf("%s: %v", name, err)
		}
		for deadline := time.Now().Add(5 * time.Second); waiters() > 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Errorf("%s: somebody waits", name)
				break
			}
		}
	}
}
