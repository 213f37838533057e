package supervisor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orch-host/orch/hostcore/plugin"
)

// keep is play with a quarantine that is kept in the file it returns.
func keep(t *testing.T, test func(t *testing.T, w *world, file string)) {
	file := filepath.Join(t.TempDir(), "quarantine.json")
	play(t, func(t *testing.T, w *world) {
		w.start(file)
		test(t, w, file)
	})
}

// crash lets plugin a 1.0.0 fail five times in two minutes.
func crash(w *world) {
	for i := range 5 {
		w.process("a-1.0.0").Crash()
		time.Sleep(500 * time.Millisecond << i)
	}
}

func TestWhatWasTakenOutOfServiceStaysOutOverARestartOfTheHost(t *testing.T) {
	v1, v2 := binary("a", "1.0.0", "x"), binary("a", "2.0.0", "x")
	over := func(b plugin.Binary) plugin.Binary { b.Source = "/plugins/a"; return b }
	tests := []struct {
		name    string
		fail    func(w *world)
		version string // that serves after the restart; empty: none
		held    string // version that does not
		why     string
	}{
		{"five crashes in two minutes", func(w *world) { w.put(v1); crash(w) }, "", "1.0.0", "exited with code 2"},
		{"five failed starts in two minutes", func(w *world) {
			w.behave(v1.Digest, conduct{launch: errors.New("no such library")})
			w.put(v1)
			time.Sleep(30 * time.Second)
			w.behave(v1.Digest, conduct{})
		}, "", "1.0.0", "no such library"},
		{"a crash on trial, the version before beside it", func(w *world) {
			w.put(v1)
			w.put(v1, v2)
			w.process(v2.Digest).Crash()
		}, "1.0.0", "2.0.0", "exited with code 2"},
		{"a rollback by hand, two versions before beside it", func(w *world) {
			v0 := binary("a", "0.9.0", "x")
			w.put(v0, v1)
			w.put(v0, v1, v2)
			if _, err := w.Rollback(context.Background(), "a"); err != nil {
				t.Error(err)
			}
		}, "1.0.0", "2.0.0", "rolled back by hand"},
		{"a crash on trial, copied over the version before", func(w *world) {
			w.put(over(v1))
			w.put(over(v2))
			w.process(v2.Digest).Crash()
		}, "", "2.0.0", "exited with code 2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keep(t, func(t *testing.T, w *world, _ string) {
				tt.fail(w)
				w.status("a")
				starts, ends := w.count("a-"+tt.held), time.Now().Add(10*time.Minute)
				time.Sleep(4 * time.Minute)
				w.restart()
				s := w.status("a")
				if w.serving("x") != tt.version || w.count("a-"+tt.held) != starts {
					t.Errorf("after the restart: %+v", s)
				}
				for _, part := range []string{"a " + tt.held, "in quarantine until", tt.why, "host plugin reload a"} {
					if !strings.Contains(s.Error, part) {
						t.Errorf("want it to say %q, got %q", part, s.Error)
					}
				}
				if tt.version != "" {
					if s.State != Ready || s.Rejected == nil || s.Rejected.Digest != "a-"+tt.held || s.Rejected.Until.After(ends) {
						t.Errorf("what serves in its place: %+v, rejected %+v", s, s.Rejected)
					}
					return
				}
				if s.State != Quarantined || s.NextStart.IsZero() || s.NextStart.After(ends) {
					t.Errorf("while it waits: %+v", s)
				}
				time.Sleep(time.Until(ends)) // as long as without the restart
				if s := w.status("a"); s.State != Ready || s.Version != tt.held {
					t.Errorf("after the quarantine: %+v", s)
				}
			})
		})
	}
}

func TestWhatLiftsAQuarantineThatIsKept(t *testing.T) {
	tests := []struct {
		name string
		lift func(w *world, file string)
	}{
		{"a reload by name", func(w *world, _ string) { w.Reload(context.Background(), "a"); w.status("a") }},
		{"a reload by name after a restart", func(w *world, _ string) { w.restart(); w.Reload(context.Background(), "a"); w.status("a") }},
		{"other settings of the group", func(w *world, _ string) { w.groups["a"] = Group{Settings: "more memory"} }},
		{"a host that was down for longer", func(w *world, _ string) { w.Stop(); time.Sleep(10 * time.Minute) }},
		{"a file that is gone", func(_ *world, file string) { os.Remove(file) }},
		{"a file that is cut off", func(_ *world, file string) { os.Truncate(file, 20) }},
		{"an empty file", func(_ *world, file string) { os.Truncate(file, 0) }},
		{"a file of another kind", func(_ *world, file string) { os.WriteFile(file, []byte(`{"a": null}`), 0o600) }},
		{"a file with nothing in it", func(_ *world, file string) { os.WriteFile(file, []byte(`null`), 0o600) }},
		{"a folder in its place", func(_ *world, file string) { os.Remove(file); os.Mkdir(file, 0o700) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keep(t, func(t *testing.T, w *world, file string) {
				w.put(binary("a", "1.0.0", "x"))
				crash(w)
				if s := w.status("a"); s.State != Quarantined {
					t.Fatalf("after five crashes: %+v", s)
				}
				tt.lift(w, file)
				w.restart()
				if s := w.status("a"); s.State != Ready || s.Error != "" {
					t.Errorf("after the restart: %+v", s)
				}
			})
		})
	}
}

func TestAClockThatWasSetBackDoesNotProlongAQuarantine(t *testing.T) {
	keep(t, func(t *testing.T, w *world, file string) {
		text := `[{"digest":"a-1.0.0","plugin":"a","version":"1.0.0","group":"a","until":"2030-01-01T00:00:00Z","error":"it crashed"}]`
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		w.start(file)
		w.put(binary("a", "1.0.0", "x"))
		if s := w.status("a"); s.State != Quarantined {
			t.Errorf("at first: %+v", s)
		}
		time.Sleep(10 * time.Minute)
		if s := w.status("a"); s.State != Ready {
			t.Errorf("ten minutes later: %+v", s)
		}
	})
}

func TestAVersionThatWasNeverInServiceIsTriedAgainByTheNextHost(t *testing.T) {
	keep(t, func(t *testing.T, w *world, file string) {
		w.put(binary("a", "1.0.0", "x"))
		w.behave("a-2.0.0", conduct{launch: errors.New("plugins.a.config.url: is missing")})
		w.put(binary("a", "2.0.0", "x"))
		if s := w.status("a"); s.Version != "1.0.0" || s.Rejected == nil || s.Rejected.Until.IsZero() {
			t.Errorf("after the refused swap: %+v", s)
		}
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it was kept: %v", err)
		}
		w.behave("a-2.0.0", conduct{}) // its configuration was mended
		w.restart()
		if s := w.status("a"); s.State != Ready || s.Version != "2.0.0" {
			t.Errorf("after the restart: %+v", s)
		}
	})
}

func TestTheQuarantineFileIsPrivateAndHoldsNoMoreThanItMust(t *testing.T) {
	keep(t, func(t *testing.T, w *world, file string) {
		if err := os.WriteFile(file+".new", []byte("what a crash left"), 0o600); err != nil {
			t.Fatal(err)
		}
		w.put(binary("a", "1.0.0", "x"))
		crash(w)
		w.status("a")
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info, err)
		}
		time.Sleep(11 * time.Minute)
		w.put(binary("b", "1.0.0", "x"))
		w.put(binary("b", "2.0.0", "x"))
		w.process("b-2.0.0").Crash()
		w.status("b")
		text, err := os.ReadFile(file)
		if err != nil || strings.Contains(string(text), `"a-1.0.0"`) || !strings.Contains(string(text), `"b-2.0.0"`) {
			t.Errorf("%s, %v", text, err)
		}
		left, err := os.ReadDir(filepath.Dir(file))
		if err != nil || len(left) != 1 {
			t.Errorf("%d files are left, %v", len(left), err)
		}
	})
}

func TestAFileThatCannotBeWrittenCostsNoMoreThanTheKeeping(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.start(filepath.Join(t.TempDir(), "missing", "quarantine.json"))
		w.put(binary("a", "1.0.0", "x"))
		crash(w)
		if s := w.status("a"); s.State != Quarantined {
			t.Errorf("%+v", s)
		}
		time.Sleep(10 * time.Minute)
		if s := w.status("a"); s.State != Ready {
			t.Errorf("after the quarantine: %+v", s)
		}
	})
}
