package observability

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/orch-host/orch/plugins/observability/shipper"
)

func keep(t *testing.T, again time.Duration) *keeper {
	t.Helper()
	k := &keeper{again: again}
	if err := k.open(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return k
}

// awaitState waits until the only shipment is in a state.
func awaitState(t *testing.T, k *keeper, want shipper.State) {
	t.Helper()
	var all []Listed
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if all = k.list(); len(all) == 1 && all[0].Status.State == want {
			return
		}
	}
	t.Fatalf("not %s: %+v", want, all)
}

func TestAShipmentThatCouldNotBeginBeginsWhenTheReasonIsGone(t *testing.T) {
	w := wish{Name: "shop", Options: shipper.Options{Endpoint: "http://127.0.0.1:1"}, Files: []shipper.File{{Path: filepath.Join(t.TempDir(), "app.log")}}}
	for name, c := range map[string]struct {
		again time.Duration
		mend  func(k *keeper) error
	}{
		"by itself":           {time.Millisecond, func(*keeper) error { return nil }},
		"with the next order": {time.Hour, func(k *keeper) error { return k.wishFor(w) }},
	} {
		t.Run(name, func(t *testing.T) {
			k := keep(t, c.again)
			obstacle := filepath.Join(k.folder(w.Name), "checkpoint-a") // a folder cannot be read as a checkpoint
			if err := os.MkdirAll(obstacle, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := k.wishFor(w); err != nil {
				t.Fatal(err)
			}
			awaitState(t, k, shipper.Failed)
			if err := os.Remove(obstacle); err != nil {
				t.Fatal(err)
			}
			if err := c.mend(k); err != nil {
				t.Fatal(err)
			}
			awaitState(t, k, shipper.Running)
		})
	}
}

func TestFilesThatAWishNoLongerNamesAreLetGo(t *testing.T) {
	k := keep(t, 0)
	dir := t.TempDir()
	file := func(name string) shipper.File { return shipper.File{Path: filepath.Join(dir, name)} }
	w := wish{Name: "shop", Options: shipper.Options{Endpoint: "http://127.0.0.1:1"}, Files: []shipper.File{file("a"), file("b")}}
	if err := k.wishFor(w); err != nil {
		t.Fatal(err)
	}
	awaitState(t, k, shipper.Running)
	since := k.list()[0].Status.Since
	w.Files = []shipper.File{file("b"), file("c")}
	if err := k.wishFor(w); err != nil {
		t.Fatal(err)
	}
	var got string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline) && got != "bc"; time.Sleep(10 * time.Millisecond) {
		got = ""
		for _, f := range k.list()[0].Status.Files {
			got += filepath.Base(f.Path)
		}
	}
	if st := k.list()[0].Status; got != "bc" || !st.Since.Equal(since) {
		t.Errorf("files %q; running since %s, before that %s", got, st.Since, since)
	}
}

// TestShipmentsThatAnotherProcessEndedHoldNobodyUp: each of them may take five
// seconds to end when its receiver does not answer.
func TestShipmentsThatAnotherProcessEndedHoldNobodyUp(t *testing.T) {
	k := keep(t, 0)
	names := []string{"a", "b", "c"}
	for _, name := range names {
		log := filepath.Join(t.TempDir(), "app.log")
		if err := os.WriteFile(log, []byte("a line\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := k.wishFor(wish{Name: name, Options: shipper.Options{Endpoint: "http://127.0.0.1:1"}, Files: []shipper.File{{Path: log}}}); err != nil {
			t.Fatal(err)
		}
	}
	tries := func() (n int) {
		for _, l := range k.list() {
			if len(l.Status.Metrics.Retries) > 0 {
				n++
			}
		}
		return n
	}
	for deadline := time.Now().Add(30 * time.Second); tries() < len(names); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("they have not all begun: %+v", k.list())
		}
	}
	for _, name := range names {
		if err := os.Remove(filepath.Join(k.folder(name), wishFile)); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	for len(k.list()) > 0 {
		time.Sleep(10 * time.Millisecond)
	}
	if took := time.Since(began); took > 4*time.Second { // they are looked for once a second
		t.Errorf("the keeper was held up for %s", took)
	}
	if err := k.wishFor(wish{Name: "a", Options: shipper.Options{Endpoint: "http://127.0.0.1:1"}, Files: []shipper.File{{Path: "/nowhere/app.log"}}}); err != nil {
		t.Fatal(err)
	}
	awaitState(t, k, shipper.Running) // once the one before has given up their folder
	if err := k.close(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 14*time.Second {
		t.Errorf("all of them took %s to end, one after the other", took)
	}
}
