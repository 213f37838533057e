package dev

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/hostcore/supervisor"
	"github.com/orch-host/orch/sdk"
	"github.com/orch-host/orch/sdk/pluginv1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// folder is a Source with fixed binaries that notes what it is asked to launch.
type folder struct {
	binaries []plugin.Binary
	launched []string
}

func (f *folder) Find(context.Context) ([]plugin.Binary, []supervisor.Refusal) {
	return append([]plugin.Binary(nil), f.binaries...), nil
}

func (f *folder) Launch(_ context.Context, b plugin.Binary) (*plugin.Instance, error) {
	f.launched = append(f.launched, b.Source)
	return nil, errors.New("launched from the folder")
}

func (f *folder) Configure(context.Context, *plugin.Instance) error { return nil }

func binary(group, source string) plugin.Binary {
	return plugin.Binary{Source: source, Digest: source, Manifest: &pluginv1.Manifest{Group: group, Name: group, Version: "1.0.0"}}
}

// serve runs a plugin of the given name at a socket until stop is called.
func serve(t *testing.T, socket, name string) (stop func()) {
	t.Helper()
	s, err := sdk.NewServer(sdk.Plugin{Name: name, Version: "2.0.0", Activities: []sdk.ActivityDef{
		sdk.Activity("act", "Acts.", func(context.Context, string) (string, error) { return "", nil })}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer(sdk.Options()...)
	s.Register(g)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = g.Serve(l) // ends with Stop
	}()
	return func() { g.Stop(); <-done }
}

func socket(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "dev")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func attach(f *folder, group, address string) Source {
	return Attach(f, map[string]config.Dev{group: {Attach: address}}, slog.New(slog.DiscardHandler))
}

func TestAnAttachedPluginTakesThePlaceOfItsGroupsBinaries(t *testing.T) {
	path := socket(t)
	defer serve(t, path, "tool")()
	f := &folder{binaries: []plugin.Binary{binary("tool", "/p/tool"), binary("other", "/p/other")}}
	s := attach(f, "tool", "unix:"+path)
	found, refused := s.Find(t.Context())
	if len(refused) > 0 || len(found) != 2 || found[0].Source != "/p/other" || found[1].Source != "unix:"+path || found[1].Manifest.GetVersion() != "2.0.0" || !found[1].Attached || found[0].Attached {
		t.Fatalf("found %v, refused %v", found, refused)
	}
	i, err := s.Launch(t.Context(), found[1])
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop(t.Context(), 0)
	if i.Pid() != 0 || i.Exit() != nil || i.Manifest.GetName() != "tool" {
		t.Errorf("got pid %d, exit %v, %v", i.Pid(), i.Exit(), i.Manifest)
	}
	if _, err := s.Launch(t.Context(), found[0]); err == nil || len(f.launched) != 1 {
		t.Errorf("the other plugin was not launched from the folder: %v", err)
	}
}

func TestALostConnectionEndsTheInstanceAndTheNextLaunchWaitsForThePlugin(t *testing.T) {
	path := socket(t)
	stop := serve(t, path, "tool")
	s := attach(&folder{}, "tool", "unix:"+path)
	found, _ := s.Find(t.Context())
	if len(found) != 1 {
		t.Fatal("it was not found")
	}
	i, err := s.Launch(t.Context(), found[0])
	if err != nil {
		t.Fatal(err)
	}
	stop()
	select {
	case <-i.Done():
	case <-time.After(time.Minute):
		t.Fatal("the end of the plugin was not noticed")
	}
	if i.Exit() == nil || i.Exit().Clean() {
		t.Errorf("want an unclean end, got %v", i.Exit())
	}
	i.Stop(t.Context(), 0)

	back := make(chan *plugin.Instance)
	go func() {
		i, err := s.Launch(t.Context(), found[0])
		if err != nil {
			t.Errorf("launch: %v", err)
		}
		back <- i
	}()
	defer serve(t, path, "tool")()
	if i := <-back; i != nil {
		i.Stop(t.Context(), 0)
	}
}

func TestLettingGoOfAPluginLeavesItRunning(t *testing.T) {
	path := socket(t)
	defer serve(t, path, "tool")()
	s := attach(&folder{}, "tool", "unix:"+path)
	for range 3 {
		found, refused := s.Find(t.Context())
		if len(found) != 1 {
			t.Fatalf("it does not answer any more: %v", refused)
		}
		i, err := s.Launch(t.Context(), found[0])
		if err != nil {
			t.Fatal(err)
		}
		i.Stop(t.Context(), 0)
		if e := i.Exit(); e == nil || !e.Clean() {
			t.Errorf("want a clean end, got %v", e)
		}
	}
}

func TestAPluginThatCannotBeAttachedIsRefusedWithWhatToDo(t *testing.T) {
	path := socket(t)
	defer serve(t, path, "tool")()
	nobody := "unix:" + socket(t)
	for name, tc := range map[string]struct{ group, address, want string }{
		"nobody there":  {"tool", nobody, `start it with "<plugin> attach ` + nobody + `"`},
		"another group": {"other", "unix:" + path, "name the table [dev.tool]"},
		"nothing there": {"tool", "127.0.0.1:1", "nothing accepts connections"},
	} {
		t.Run(name, func(t *testing.T) {
			found, refused := attach(&folder{binaries: []plugin.Binary{binary(tc.group, "/p/x")}}, tc.group, tc.address).Find(t.Context())
			if len(found) != 0 || len(refused) != 1 || !strings.Contains(refused[0].Err.Error(), tc.want) {
				t.Errorf("found %v, refused %v, want %q", found, refused, tc.want)
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	b := binary("tool", nobody)
	if _, err := attach(&folder{}, "tool", nobody).Launch(ctx, b); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("got %v", err)
	}
}

func TestWithoutATableNothingIsInBetween(t *testing.T) {
	f := &folder{}
	if s := Attach(f, nil, slog.New(slog.DiscardHandler)); s != Source(f) {
		t.Errorf("got %T", s)
	}
}
