package supervisor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/orch-host/orch/hostcore/plugin"
)

func TestAReloadWaitsNoLongerThanItsCaller(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.behave("a-1.0.0", conduct{neverReady: true})
		w.binaries = []plugin.Binary{binary("a", "1.0.0", "x"), binary("b", "1.0.0", "y")}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		began := time.Now()
		results := w.Reload(ctx, "")
		if took := time.Since(began); took != time.Second {
			t.Errorf("it took %s", took)
		}
		if len(results) != 2 || results[0].Change != "failed" || !strings.Contains(results[0].Error, "host plugin list") || results[1].Change != "started" {
			t.Errorf("%+v", results)
		}
		w.behave("a-1.0.0", conduct{})
		time.Sleep(time.Minute)
		if s := w.status("a"); s.State != Ready {
			t.Errorf("what was begun did not go on: %+v", s)
		}
	})
}

func TestAReloadOfANameThatNoPluginHasSaysSo(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.put(binary("a", "1.0.0", "x"))
		r := w.Reload(context.Background(), "b")
		if len(r) != 1 || r[0].Name != "b" || r[0].Change != "failed" || !strings.Contains(r[0].Error, ErrUnknownPlugin.Error()) {
			t.Errorf("%+v", r)
		}
		w.refusals = []Refusal{{Path: "/plugins/b", Err: errors.New("it is empty")}}
		if r := w.Reload(context.Background(), "b"); len(r) != 1 || r[0].Change != "refused" {
			t.Errorf("a file of that name: %+v", r)
		}
	})
}

func TestAFolderThatCannotBeLookedAtStopsNothing(t *testing.T) {
	for _, folder := range []string{"/plugins", "/plugins/group"} {
		t.Run(folder, func(t *testing.T) {
			play(t, func(t *testing.T, w *world) {
				b := binary("a", "1.0.0", "x")
				b.Source = folder + "/a"
				w.put(b)
				w.refusals = []Refusal{{Path: folder, Err: errors.New("too many open files")}}
				w.put()
				s := w.status("a")
				if s.State != Ready || w.serving("x") != "1.0.0" || !strings.Contains(s.Error, folder+" is a folder that cannot be used; 1.0.0 goes on") {
					t.Errorf("%+v", s)
				}
				w.refusals = nil
				w.put(b)
				if s := w.status("a"); s.Error != "" || w.count(b.Digest) != 1 {
					t.Errorf("when it can be looked at again: %+v", s)
				}
				w.refusals = []Refusal{{Path: "/plugins-of-others", Err: errors.New("too many open files")}}
				w.put()
				if s := w.status("a"); s.State != Stopped {
					t.Errorf("when its file is gone: %+v", s)
				}
			})
		})
	}
}
