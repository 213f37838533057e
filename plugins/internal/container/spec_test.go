package container

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/registry"

	"github.com/orch-host/orch/sdk"
)

func plain() Spec {
	return Spec{
		Service: "kg", Component: "web", Image: "web:1", Env: map[string]string{"A": "1", "B": "2"},
		SecretEnv: map[string]sdk.Secret{"TOKEN": "canary-1"},
		Files:     []File{{Path: "/etc/web.yaml", Content: []byte("key: canary-2\n"), Secret: true}, {Path: "/etc/other", Content: []byte("x")}},
		Ports:     []Port{{Container: 80, Host: 8080, Setting: "web.port"}},
	}
}

func digestOf(t *testing.T, s Spec) string {
	t.Helper()
	s, err := s.normalized()
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.digest()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTheDigestChangesWithWhatTheContainerIs(t *testing.T) {
	base := digestOf(t, plain())
	changes := map[string]func(*Spec){
		"image":          func(s *Spec) { s.Image = "web:2" },
		"command":        func(s *Spec) { s.Cmd = []string{"x"} },
		"variable":       func(s *Spec) { s.Env = map[string]string{"A": "1"} },
		"secret":         func(s *Spec) { s.SecretEnv["TOKEN"] = "canary-3" },
		"secret's name":  func(s *Spec) { s.SecretEnv = map[string]sdk.Secret{"OTHER": "canary-1"} },
		"secret file":    func(s *Spec) { s.Files[0].Content = []byte("key: canary-3\n") },
		"plain file":     func(s *Spec) { s.Files[1].Content = []byte("y") },
		"file mode":      func(s *Spec) { s.Files[1].Mode = 0o600 },
		"host port":      func(s *Spec) { s.Ports[0].Host = 8081 },
		"bind address":   func(s *Spec) { s.Ports[0].HostIP = "0.0.0.0" },
		"memory limit":   func(s *Spec) { s.Limits.Memory = 1 << 30 },
		"restart policy": func(s *Spec) { s.Restart = "always" },
		"network":        func(s *Spec) { s.Networks = []Network{{Name: "n"}} },
	}
	for name, change := range changes {
		s := plain()
		change(&s)
		if digestOf(t, s) == base {
			t.Errorf("another %s has the same digest", name)
		}
	}
	same := map[string]func(*Spec){
		"nothing":           func(*Spec) {},
		"the explicit name": func(s *Spec) { s.Name = "kg-web" },
		"an explicit default": func(s *Spec) {
			s.Ports[0].HostIP, s.Restart, s.StopTimeout = "127.0.0.1", "unless-stopped", 10*time.Second
		},
		"the readiness":     func(s *Spec) { s.ReadyTimeout = time.Hour },
		"names of settings": func(s *Spec) { s.ImageSetting, s.Ports[0].Setting = "a", "b" },
	}
	for name, change := range same {
		s := plain()
		change(&s)
		if digestOf(t, s) != base {
			t.Errorf("%s changes the digest", name)
		}
	}
}

// TestTheDigestIsStable: another one for the same spec would replace every
// container of every user at an upgrade.
func TestTheDigestIsStable(t *testing.T) {
	const want = "v1-e8d7caaafe4bc0d6f66a51906c7a478d8ff95715"
	if got := digestOf(t, plain()); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
}

func TestSecretsAreTakenOutOfTexts(t *testing.T) {
	s := plain()
	s.Files = append(s.Files, File{Path: "/auth", Content: []byte("neo4j/canary-5"), Secret: true})
	got := s.redact("token canary-1, key canary-2, password canary-5 and x")
	if want := "token ***, key ***, password *** and x"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestASpecThatCannotWorkIsRefused(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Spec)
		want   string
	}{
		{"no service", func(s *Spec) { s.Service = "" }, "no service_name"},
		{"a service with a slash", func(s *Spec) { s.Service = "a/b" }, `"a/b" cannot be part`},
		{"no image", func(s *Spec) { s.Image, s.ImageSetting = " ", "web.image" }, "set web.image"},
		{"a port out of range", func(s *Spec) { s.Ports[0].Host = 70000 }, "web.port"},
		{"a port twice", func(s *Spec) { s.Ports = append(s.Ports, Port{Container: 81, Host: 8080}) }, "given twice"},
		{"a bind address that is a name", func(s *Spec) { s.Ports[0].HostIP = "localhost" }, "not an IP address"},
		{"a relative file", func(s *Spec) { s.Files[0].Path = "etc/x" }, "not absolute"},
		{"a file that climbs", func(s *Spec) { s.Files[0].Path = "/etc/../x" }, "not absolute and clean"},
		{"a file in a read-only root itself", func(s *Spec) { s.ReadOnlyRoot = true; s.Files[0].Path = "/x" }, "read-only"},
		{"a volume without a path", func(s *Spec) { s.Volumes = []Volume{{Name: "data"}} }, "absolute path"},
		{"a label of ours", func(s *Spec) { s.Labels = map[string]string{LabelService: "x"} }, "reserved"},
		{"a negative limit", func(s *Spec) { s.Limits.CPUs = -1 }, "negative"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := plain()
			tt.change(&s)
			_, err := s.normalized()
			var spec *SpecError
			if !errors.As(err, &spec) || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want a SpecError with %q", err, tt.want)
			}
			var f *sdk.Error
			if !errors.As(Failure(err), &f) || !f.NonRetryable {
				t.Error("the failure is retryable")
			}
		})
	}
}

func TestThePullUsesTheLoginOfTheImagesRegistry(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	login := func(user string) string { return base64.StdEncoding.EncodeToString([]byte(user + ":pass")) }
	config := `{"auths":{"https://index.docker.io/v1/":{"auth":"` + login("hub") + `"},"registry.example:5000":{"auth":"` + login("own") + `"}}}`
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{
		"neo4j:5.26": "hub", "qdrant/qdrant:v1": "hub", "docker.io/library/neo4j": "hub",
		"registry.example:5000/x": "own", "ghcr.io/a/b": "", "localhost/x": "",
	} {
		got := ""
		if auth := registryAuth(ref); auth != "" {
			decoded, err := registry.DecodeAuthConfig(auth)
			if err != nil {
				t.Fatal(err)
			}
			got = decoded.Username
		}
		if got != want {
			t.Errorf("%s: user %q, want %q", ref, got, want)
		}
	}
}

func TestAmountsOfMemory(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "512m": 512 << 20, "2g": 2 << 30, "1.5GiB": 3 << 29} {
		if got, err := ParseMemory(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"lots", "-1g", "0", "1m"} {
		if _, err := ParseMemory(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}
