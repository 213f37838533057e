package observability

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orch-host/orch/sdk/sdktest"
)

// TestAFailureShowsNothingOfAFileThatIsNoTemplate: failures are kept in
// Temporal's history, and the plugin may read more than those who see that.
func TestAFailureShowsNothingOfAFileThatIsNoTemplate(t *testing.T) {
	for name, c := range map[string]struct{ text, line string }{
		"a list of passwords":       {"root:canary:0:0:canary:/root:/bin/sh\nuser: canary: b\n", "line "},
		"one word":                  {"canary", "line 1"},
		"a short word":              {"\ncanary\n", "line 2"},
		"a list":                    {"- canary\n", "line 1"},
		"a key twice":               {"canary: 1\nb: 2\ncanary: 2\n", "line 3"},
		"an anchor that is nowhere": {"a: *canary\n", ""},
		"an anchor that is its own": {"a: &canary\n  b: *canary\n", ""},
		"a key that is a number":    {"ok: {canary: 1}\n? [canary]\n: 1\n", ""},
		"a value of another tag":    {"a: !!int canary\n", ""},
		"no YAML at all":            {"[canary\n", "line "},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := render(path, "", nil)
			if err == nil || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "can...") {
				t.Errorf("render: %v, want an error without what the file holds", err)
			} else if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), c.line) {
				t.Errorf("render: %v, want %s and %q", err, path, c.line)
			}
			if _, err := parseIngestion(c.text); err == nil || strings.Contains(err.Error(), "canary") {
				t.Errorf("parseIngestion: %v, want an error without what the text holds", err)
			}
		})
	}
}

func TestOnlyWhatTheReceiverStepHasWrittenIsRouted(t *testing.T) {
	h, state := withoutDockerInside(t)
	folder := filepath.Join(state, "collector-otlp")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(state, "secret.yaml")
	for path, text := range map[string]string{outside: "password: canary\n", filepath.Join(folder, "shop.yaml"): ingestHead + "shop\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(folder, "link.yaml")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		outside: "enable_otlp_receiver_activity",
		filepath.Join(folder, "..", "secret.yaml"): "enable_otlp_receiver_activity",
		folder + "/../secret.yaml":                 "enable_otlp_receiver_activity",
		"":                                         "enable_otlp_receiver_activity",
		folder:                                     "enable_otlp_receiver_activity",
		filepath.Join(folder, "none.yaml"):         "enable_otlp_receiver_activity",
		filepath.Join(folder, "link.yaml"):         "escapes",
		filepath.Join(folder, "shop.yaml"):         "no Docker engine answers",
		filepath.Join(folder, "..", "collector-otlp/shop.yaml"): "no Docker engine answers",
	} {
		f := h.Execute(sdktest.Call{Activity: "collect_and_route_otlp_activity", Args: []any{map[string]any{"config_path": path}}}).Failure
		if f == nil || !strings.Contains(f.Message, want) || strings.Contains(f.Message, "canary") {
			t.Errorf("%q: %v, want %q", path, f, want)
		}
		if left, _ := filepath.Glob(filepath.Join(state, "collector", "default.yaml*")); len(left) > 0 {
			t.Errorf("%q is a part of the collector's configuration", path)
		}
	}
}

func withoutDockerInside(t *testing.T) (h *sdktest.Harness, state string) {
	t.Helper()
	state = t.TempDir()
	p := Plugin("1.0.0")
	h = sdktest.Start(t, p, sdktest.StateDir(state), sdktest.Config(map[string]any{"docker": map[string]any{"host": "unix://" + filepath.Join(state, "none.sock")}}))
	t.Cleanup(func() {
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return h, state
}
