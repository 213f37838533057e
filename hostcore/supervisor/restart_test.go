package supervisor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestAPluginThatServesIsNotStartedOnceMore(t *testing.T) {
	tests := []struct {
		name  string
		mend  func(w *world)
		serve string
	}{
		{"when the quarantine of the version before it ends", func(w *world) {
			time.Sleep(time.Minute)
			w.put(binary("a", "1.0.1", "x"))
		}, "a-1.0.1"},
		{"when the back-off of the version before it ends", func(w *world) {
			time.Sleep(2 * time.Second)
			w.put(binary("a", "1.0.1", "x"))
		}, "a-1.0.1"},
		{"when a reload by name has come before the end of the back-off", func(w *world) {
			time.Sleep(2 * time.Second)
			w.behave("a-1.0.0", conduct{})
			w.Reload(context.Background(), "a")
		}, "a-1.0.0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(t *testing.T, w *world) {
				w.behave("a-1.0.0", conduct{launch: errors.New("no such library")})
				w.put(binary("a", "1.0.0", "x"))
				tt.mend(w)
				w.status("a")
				process, starts := w.process(tt.serve), w.count(tt.serve)
				time.Sleep(20 * time.Minute)
				if w.status("a"); w.count(tt.serve) != starts || !process.Running() {
					t.Errorf("it was started %d times more", w.count(tt.serve)-starts)
				}
			})
		})
	}
}

func TestAFileThatMayNoLongerRunIsNotStartedAgain(t *testing.T) {
	untrusted := errors.New("it is not in the lock file")
	tests := []struct {
		name    string
		refusal Refusal
		state   State
		starts  int
	}{
		{"its content has lost the trust", Refusal{Path: "/plugins/a-1.0.0", Digest: "a-1.0.0", Err: untrusted}, Stopped, 1},
		{"another content in its place has never had it", Refusal{Path: "/plugins/a-1.0.0", Digest: "else", Err: untrusted}, Ready, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(t *testing.T, w *world) {
				w.put(binary("a", "1.0.0", "x"))
				w.process("a-1.0.0").Crash()
				if s := w.status("a"); s.State != Failed {
					t.Fatalf("after the crash: %+v", s)
				}
				w.refusals = []Refusal{tt.refusal}
				w.put() // before the back-off ends
				time.Sleep(time.Minute)
				if s := w.status("a"); s.State != tt.state || w.count("a-1.0.0") != tt.starts {
					t.Errorf("started %d times: %+v", w.count("a-1.0.0"), s)
				}
			})
		})
	}
}

func TestAPluginWhoseNameWasTakenServesWhenTheOtherIsGone(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.put(binary("a", "1.0.0", "x"))
		w.put(binary("a", "1.0.0", "x"), binary("b", "1.0.0", "x", "y"))
		time.Sleep(10 * time.Minute)
		if s := w.status("b"); s.State != Failed || !strings.Contains(s.Error, "/plugins/a-1.0.0") {
			t.Errorf("while the name is taken: %+v", s)
		}
		w.put(binary("b", "1.0.0", "x", "y"))
		if s := w.status("b"); s.State != Ready || w.serving("y") != "1.0.0" {
			t.Errorf("after it: %+v", s)
		}
	})
}

func TestAnAttachedPluginMayComeAndGoAsOftenAsItsDeveloperLikes(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		b := binary("a", "1.0.0", "x")
		b.Attached = true
		w.put(b)
		for i := range 7 {
			w.process("a-1.0.0").Crash()
			time.Sleep(500 * time.Millisecond << i) // the back-off
			if s := w.status("a"); s.State != Ready || s.Restarts != i+1 {
				t.Fatalf("after end %d: %+v", i+1, s)
			}
		}
	})
}

func TestAnAttachedPluginThatDoesNotAnswerIsNotWithdrawn(t *testing.T) {
	for name, down := range map[string]bool{"while it is held at a breakpoint": false, "while it is stopped": true} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, w *world) {
				b := binary("a", "1.0.0", "x")
				b.Attached = true
				w.put(b)
				if down {
					w.process("a-1.0.0").Crash()
					w.status("a")
				}
				w.refusals = []Refusal{{Path: b.Source, Digest: b.Digest, Err: errors.New("no plugin answers")}}
				w.put() // something else in the folder has changed
				time.Sleep(time.Minute)
				if s := w.status("a"); s.State != Ready || s.Error != "" || w.serving("x") != "1.0.0" {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

func TestANewVersionDoesNotInheritTheBackOff(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		broken := conduct{launch: errors.New("no such library")}
		w.behave("a-1.0.0", broken)
		w.put(binary("a", "1.0.0", "x"))
		time.Sleep(4 * time.Second) // three starts: the next pause is 4 s
		w.behave("a-1.0.1", broken)
		w.put(binary("a", "1.0.1", "x"))
		if s := w.status("a"); s.State != Failed || time.Until(s.NextStart) > 500*time.Millisecond {
			t.Errorf("after its first failure it waits for %s", time.Until(s.NextStart))
		}
	})
}
