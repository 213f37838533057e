package router

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/hostcore/plugin/plugintest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func instance(t *testing.T, name, version string, activities ...string) *plugin.Instance {
	t.Helper()
	p, err := plugintest.Start(plugintest.NewServer(plugintest.Manifest(name, version, activities...)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Crash)
	i, err := plugin.Connect(t.Context(), p, plugin.Binary{Source: "/plugins/" + name, Digest: name + version})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestASwitchIsSeenAtOnceOrNotAtAll(t *testing.T) {
	r := New()
	v1, v2 := instance(t, "a", "1.0.0", "x", "y"), instance(t, "a", "2.0.0", "y", "z")
	if err := r.Switch(v1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				names := r.Activities()
				if !slices.Equal(names, []string{"x", "y"}) && !slices.Equal(names, []string{"y", "z"}) {
					t.Errorf("half a table: %v", names)
					return
				}
				route, ok := r.Acquire("y")
				if !ok {
					t.Error("y was offered by nobody for a moment")
					return
				}
				route.Instance.Release()
			}
		})
	}
	for i := range 500 {
		if err := r.Switch([]*plugin.Instance{v2, v1}[i%2]); err != nil {
			t.Error(err)
		}
	}
	cancel()
	wg.Wait()
}

func TestANameBelongsToOnePlugin(t *testing.T) {
	r := New()
	a, b := instance(t, "a", "1.0.0", "x"), instance(t, "b", "1.0.0", "w", "x")
	if err := r.Switch(a); err != nil {
		t.Fatal(err)
	}
	var taken *TakenError
	if err := r.Switch(b); !errors.As(err, &taken) || taken.Activity != "x" || !strings.Contains(err.Error(), "/plugins/a") {
		t.Errorf("%v", err)
	}
	if got := r.Activities(); !slices.Equal(got, []string{"x"}) {
		t.Errorf("the refused plugin left its mark: %v", got)
	}
}

func TestAWithdrawalLeavesTheSuccessorsRoutes(t *testing.T) {
	r := New()
	v1, v2 := instance(t, "a", "1.0.0", "x"), instance(t, "a", "2.0.0", "x")
	for _, i := range []*plugin.Instance{v1, v2} {
		if err := r.Switch(i); err != nil {
			t.Fatal(err)
		}
	}
	r.Withdraw(v1)
	if route, ok := r.Lookup("x"); !ok || route.Instance != v2 {
		t.Error("the successor's route is gone")
	}
	changed := r.Changed()
	r.Withdraw(v2)
	select {
	case <-changed:
	default:
		t.Error("the change was not told")
	}
	if got := r.Missing([]string{"z", "x"}); !slices.Equal(got, []string{"x", "z"}) || r.Offers("a") {
		t.Errorf("missing %v, offers %v", got, r.Offers("a"))
	}
}

func TestAwaitReturnsWhenThePluginIsThereOrTheTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New()
		i := instance(t, "a", "1.0.0", "x")
		time.AfterFunc(3*time.Second, func() { _ = r.Switch(i) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, ok := r.Await(ctx, "x"); ok {
			t.Error("a route where there is none")
		}
		began := time.Now()
		route, ok := r.Await(t.Context(), "x")
		if !ok || route.Spec.GetName() != "x" || time.Since(began) != 2*time.Second {
			t.Errorf("%v after %s", ok, time.Since(began))
		}
		route.Instance.Release()
	})
}

func TestADrainingPluginGivesOutNoRoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New()
		i := instance(t, "a", "1.0.0", "x")
		if err := r.Switch(i); err != nil {
			t.Fatal(err)
		}
		i.Drain(t.Context(), 0, 0)
		if _, ok := r.Acquire("x"); ok {
			t.Error("it was given out")
		}
	})
}
