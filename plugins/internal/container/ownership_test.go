package container

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/google/go-cmp/cmp"

	"github.com/orch-host/orch/sdk"
)

func TestAForeignObjectIsLeftAloneAndNamed(t *testing.T) {
	other := func(*world) map[string]string { return owner{"other", "web"}.labels() }
	none := func(*world) map[string]string { return nil }
	tests := []struct {
		name   string
		labels func(*world) map[string]string
		make   func(w *world, labels map[string]string) (name string)
		want   string
	}{
		{"container without labels", none, func(w *world, l map[string]string) string {
			w.foreign(w.service+"-web", l)
			return w.service + "-web"
		}, "not orch"},
		{"container of another service", other, func(w *world, l map[string]string) string {
			w.foreign(w.service+"-web", l)
			return w.service + "-web"
		}, "component web of service other"},
		{"network", none, func(w *world, l map[string]string) string {
			if _, err := w.api.NetworkCreate(context.Background(), w.service, network.CreateOptions{Labels: map[string]string{"orch.test": "1"}}); err != nil {
				w.t.Fatal(err)
			}
			return w.service
		}, "not orch"},
		{"volume", none, func(w *world, l map[string]string) string {
			if _, err := w.api.VolumeCreate(context.Background(), volume.CreateOptions{Name: w.service + "-web-data", Labels: map[string]string{"orch.test": "1"}}); err != nil {
				w.t.Fatal(err)
			}
			return w.service + "-web-data"
		}, "not orch"},
		{"container under the name that the next one gets", none, func(w *world, l map[string]string) string {
			w.foreign(w.service+"-web.next", l)
			return w.service + "-web.next"
		}, "not orch"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			name := tt.make(w, tt.labels(w))
			_, err := w.Ensure(t.Context(), w.spec("hello"))
			var foreign *ForeignError
			if !errors.As(err, &foreign) || foreign.Name != name {
				t.Fatalf("error %v, want a ForeignError for %s", err, name)
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), name) {
				t.Errorf("error %q, want name and owner", err)
			}
			var f *sdk.Error
			if !errors.As(Failure(err), &f) || !f.NonRetryable || f.Type != TypeForeign {
				t.Errorf("Failure gives %+v, want a final %s", f, TypeForeign)
			}
			for n, state := range w.containers() {
				if n == name && state != "running" {
					t.Errorf("the foreign container is %s", state)
				}
			}
			if strings.Contains(tt.name, "container") && name == w.service+"-web" {
				if _, err := w.Delete(t.Context(), w.spec("").Ref(), DeleteOptions{Purge: true}); !errors.As(err, &foreign) {
					t.Errorf("Delete: %v, want a ForeignError", err)
				}
				if _, err := w.Stop(t.Context(), w.spec("").Ref()); !errors.As(err, &foreign) {
					t.Errorf("Stop: %v, want a ForeignError", err)
				}
				if got := w.containers()[name]; got != "running" {
					t.Errorf("the foreign container is %q after Stop and Delete", got)
				}
			}
		})
	}
}

func TestEightCallersMakeOneContainer(t *testing.T) {
	for _, from := range []string{"nothing", "another spec", "a stopped container"} {
		t.Run("from "+from, func(t *testing.T) {
			w := newWorld(t)
			switch from {
			case "another spec":
				w.ensure(w.spec("old"))
			case "a stopped container":
				w.ensure(w.spec("hello"))
				if _, err := w.Stop(t.Context(), w.spec("").Ref()); err != nil {
					t.Fatal(err)
				}
			}
			var wg sync.WaitGroup
			results, errs := make([]Result, 8), make([]error, 8)
			for i := range results {
				e := w.engine(Options{}) // its own locks, as on another host
				wg.Go(func() { results[i], errs[i] = e.Ensure(t.Context(), w.spec("hello")) })
			}
			wg.Wait()
			for i := range results {
				if errs[i] != nil {
					t.Fatalf("caller %d: %v", i, errs[i])
				}
				if results[i].ID != results[0].ID {
					t.Errorf("caller %d got container %s, caller 0 %s", i, results[i].ID, results[0].ID)
				}
			}
			if diff := cmp.Diff(map[string]string{w.service + "-web": "running"}, w.containers()); diff != "" {
				t.Errorf("containers (-want +got):\n%s", diff)
			}
			if nets, err := w.networksNamed(t.Context(), w.service); err != nil || len(nets) != 1 {
				t.Errorf("%d networks, %v, want one", len(nets), err)
			}
			if got := w.says(results[0]); got != "hello" {
				t.Errorf("it says %q", got)
			}
		})
	}
}

func TestSeveralNetworksAndAliases(t *testing.T) {
	w := newWorld(t)
	s := w.spec("hello")
	s.Networks = append(s.Networks, Network{Name: w.service + "-shared", Aliases: []string{"web"}, Shared: true})
	res := w.ensure(s)
	c, err := w.api.ContainerInspect(t.Context(), res.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range s.Networks {
		if c.NetworkSettings.Networks[n.Name] == nil {
			t.Errorf("the container is not in network %s", n.Name)
		}
	}
	other := w.spec("hello")
	other.Component, other.Networks = "other", s.Networks
	w.ensure(other)
	del, err := w.Delete(t.Context(), s.Ref(), DeleteOptions{})
	if err != nil || len(del.RemovedNetworks) != 0 {
		t.Fatalf("Delete of one: %+v, %v; want its networks kept for the other", del, err)
	}
	del, err = w.Delete(t.Context(), other.Ref(), DeleteOptions{})
	if err != nil || len(del.RemovedNetworks) != 2 {
		t.Fatalf("Delete of the last: %+v, %v; want both networks removed", del, err)
	}
}

func TestOfTwoNetworksOfOneNameTheOneInUseIsKept(t *testing.T) {
	for _, used := range []int{-1, 0, 1} {
		t.Run(fmt.Sprintf("in use %d", used), func(t *testing.T) {
			w := newWorld(t)
			s := w.spec("hello")
			name := s.Networks[0].Name
			var ids []string
			for range 2 {
				ids = append(ids, w.rawNetwork(name, s.networkLabels(s.Networks[0])))
			}
			if used >= 0 {
				if err := w.api.NetworkConnect(t.Context(), ids[used], w.foreign(w.service+"-user", nil), nil); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.ensureNetworks(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			left, err := w.networksNamed(t.Context(), name)
			if err != nil || len(left) != 1 {
				t.Fatalf("%d networks, %v, want one", len(left), err)
			}
			if used >= 0 && left[0].ID != ids[used] {
				t.Errorf("the network in use was not the one kept")
			}
		})
	}
}
