package observability_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/orch-host/orch/plugins/observability"
	"github.com/orch-host/orch/sdk/sdktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, config map[string]any) *sdktest.Harness {
	t.Helper()
	p := observability.Plugin("1.0.0")
	h := sdktest.Start(t, p, sdktest.Config(config))
	t.Cleanup(func() {
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return h
}

func TestDiscoveryFollowsGlobsAndListsEachFileOnce(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"a.log", "sub/deep/b.log", "sub/c.txt", "skip/d.log", "a.log.gz", "sub/not-utf8-\xff.log"} {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"sub/loop": root, "z.log": filepath.Join(root, "a.log"), "dead.log": "/nowhere"} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	h := start(t, map[string]any{})
	for _, c := range []struct {
		name             string
		include, exclude []string
		want             []string
	}{
		{"all below the root", []string{"**/*.log"}, nil, []string{"a.log", "skip/d.log", "sub/deep/b.log"}},
		{"a folder is left out", []string{"**/*.log"}, []string{"skip/**"}, []string{"a.log", "sub/deep/b.log"}},
		{"a name without a folder is one anywhere", []string{"c.*"}, nil, []string{"sub/c.txt"}},
		{"an absolute glob needs no root", []string{root + "/*/deep/*"}, nil, []string{"sub/deep/b.log"}},
		{"compressed files are no logs", []string{"**/*.gz"}, nil, nil},
		{"nothing fits", []string{"**/*.none"}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var found []observability.Found
			if err := h.Run("discover_log_files_activity", map[string]any{"roots": []string{root}, "include": c.include, "exclude": c.exclude}).Decode(&found); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range found {
				rel, _ := filepath.Rel(root, f.Path)
				got = append(got, rel)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnIngestThatCannotWorkIsRefusedByKey(t *testing.T) {
	h := start(t, map[string]any{})
	for key, params := range map[string]map[string]any{
		"roots: ":      {"roots": []string{"logs"}},
		"include: ":    {"include": []string{"[a"}},
		"endpoint: ":   {"endpoint": "localhost:4318"},
		"batch_size: ": {"batch_size": -1},
		"multiline: ":  {"multiline": map[string]any{"start": "("}},
	} {
		o := h.Execute(sdktest.Call{Activity: "logs_configure_activity", Args: []any{params}})
		if f := o.Failure; f == nil || !f.GetNonRetryable() || !strings.Contains(f.GetMessage(), key) {
			t.Errorf("%v: want a final failure that names %q, got %v", params, key, o.Failure)
		}
	}
}

func TestAShipmentIsListedAndStopped(t *testing.T) {
	h := start(t, map[string]any{})
	path := filepath.Join(t.TempDir(), "app.log")
	h.Run("tail_and_ship_logs_activity", map[string]any{"name": "shop", "files": []string{path}, "endpoint": "http://127.0.0.1:1"})
	list := func() (all []observability.Listed) {
		t.Helper()
		if err := h.Run("list_log_shipments", map[string]any{}).Decode(&all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	if all := list(); len(all) != 1 || all[0].Name != "shop" || all[0].Error != "" {
		t.Errorf("want the shipment listed, got %+v", all)
	}
	for _, want := range []string{"stopped", "not shipping"} {
		var s observability.Shipped
		if err := h.Run("stop_log_shipping", map[string]any{"name": "shop"}).Decode(&s); err != nil || s.Status != want {
			t.Errorf("want %q, got %+v, %v", want, s, err)
		}
	}
	if all := list(); len(all) != 0 {
		t.Errorf("want no shipment, got %+v", all)
	}
}

// withoutDocker serves the plugin with an engine that is not there and a service's piece of the collector's configuration.
func withoutDocker(t *testing.T, piece string) (h *sdktest.Harness, state string) {
	t.Helper()
	state = t.TempDir()
	if piece != "" {
		if err := os.MkdirAll(filepath.Join(state, "collector"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(state, "collector", "shop.yaml"), []byte(piece), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := observability.Plugin("1.0.0")
	h = sdktest.Start(t, p, sdktest.StateDir(state), sdktest.Config(map[string]any{"docker": map[string]any{"host": "unix://" + filepath.Join(state, "none.sock")}}))
	t.Cleanup(func() {
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return h, state
}

func TestTheRemovalOfAnIngestIsNotDoneBeforeTheCollectorHasLetGoOfIt(t *testing.T) {
	h, _ := withoutDocker(t, "# orch ingest: shop\nprocessors: {batch/shop: {}}\n")
	remove := sdktest.Call{Activity: "remove_collector_ingest_activity", Args: []any{map[string]any{"service_name": "shop"}}}
	for attempt := 1; attempt <= 2; attempt++ {
		if f := h.Execute(remove).Failure; f == nil || !strings.Contains(f.Message, "no Docker engine answers") {
			t.Errorf("attempt %d: %v, want the engine's absence", attempt, f)
		}
	}
	remove.Args = []any{map[string]any{"service_name": "another"}}
	if f := h.Execute(remove).Failure; f != nil {
		t.Errorf("an ingest that never was: %v", f)
	}
}

func TestACheckWithoutADockerEngineSaysWhatToDo(t *testing.T) {
	h, _ := withoutDocker(t, "")
	f := h.Execute(sdktest.Call{Activity: "generate_and_validate_config_activity", Args: []any{map[string]any{"service_name": "shop"}}}).Failure
	if f == nil || f.Type != "DockerUnreachable" || !strings.Contains(f.Message, "plugins.observability.config.docker.host") {
		t.Errorf("%v, want the engine's absence and the setting", f)
	}
}

func TestAServiceNameThatIsNoFileNameIsRefused(t *testing.T) {
	h, state := withoutDocker(t, "")
	for _, activity := range []string{"enable_otlp_receiver_activity", "generate_and_validate_config_activity", "remove_collector_ingest_activity"} {
		for _, name := range []string{"../up", "x\n#/../../../up"} {
			f := h.Execute(sdktest.Call{Activity: activity, Args: []any{map[string]any{"service_name": name}}}).Failure
			if f == nil || !f.NonRetryable || !strings.Contains(f.Message, "service_name") {
				t.Errorf("%s for %q: %v, want it refused", activity, name, f)
			}
		}
	}
	if left, _ := filepath.Glob(filepath.Join(state, "*", "*up*")); len(left) > 0 {
		t.Errorf("files %v", left)
	}
}
