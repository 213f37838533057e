package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	sdkclient "go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/protojson"
)

const canaryModelKey = "canary-model-key-93b1d07a"

// chatSite is a host with the chat plugin and the example application.
type chatSite struct {
	*rig
	docker *client.Client
	folder string
	port   int
}

func newChatSite(t *testing.T, docker *client.Client, host string) *chatSite {
	t.Helper()
	s := &chatSite{docker: docker, folder: t.TempDir(), port: freePort(t)}
	s.rig = newRig(t, []string{bin("plugins", "chat")}, fmt.Sprintf(`
[plugins.chat]
env = ["PATH"]

[plugins.chat.config]
docker = { host = %q }
neo4j = { image = %q }
health = { path = "/healthz", timeout = "20s" }
app = { host_port = %d, stop_after = "2s", secret_env = { MODEL_KEY = "env:MODEL_KEY" } }
cloudflare = { checks = [] }

[services.{service}]
workflow = "ChatSetupWorkflow"
stop_workflow = "ChatCleanupWorkflow"
params = { context = %q }
`, host, neo4jImage, s.port, s.folder))
	s.env = append(s.env, "MODEL_KEY="+canaryModelKey)
	for _, name := range []string{"Dockerfile", ".dockerignore"} {
		write(t, filepath.Join(s.folder, name), 0o644, read(t, filepath.Join("../examples/chat-app", name)))
	}
	s.version("1")
	t.Cleanup(func() {
		s.removeContainers(docker)
		for _, name := range s.images() {
			_, _ = docker.ImageRemove(context.Background(), name, image.RemoveOptions{Force: true})
		}
	})
	return s
}

// version puts a version of the application into the folder.
func (s *chatSite) version(v string) {
	s.t.Helper()
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version="+v, "-o", filepath.Join(s.folder, "chat-app"), "../examples/chat-app")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		s.t.Fatalf("build the application: %v\n%s", err, out)
	}
}

// images are the tags of the service's images.
func (s *chatSite) images() []string {
	s.t.Helper()
	list, err := s.docker.ImageList(context.Background(), image.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	var names []string
	for _, img := range list {
		for _, n := range img.RepoTags {
			if strings.HasPrefix(n, "orch/"+s.service+"-") {
				names = append(names, n)
			}
		}
	}
	return names
}

func (s *chatSite) served() (string, error) {
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := c.Get(fmt.Sprintf("http://127.0.0.1:%d/healthz", s.port))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return strings.TrimSpace(string(text)), err
}

// stands wants the version served by one container each, and no image but its own.
func (s *chatSite) stands(version string) {
	s.t.Helper()
	if text, err := s.served(); err != nil || text != "ok version "+version {
		s.t.Errorf("served: %q %v, want version %s", text, err, version)
	}
	names := s.containers(s.docker)
	apps := 0
	for name := range names {
		if strings.HasPrefix(name, s.service+"-app-") {
			apps++
		}
	}
	if len(names) != 3 || apps != 1 || names[s.service+"-front"] == "" || names[s.service+"-neo4j"] == "" {
		s.t.Errorf("containers %v, want one application, its front and Neo4j", names)
	}
	if tags := s.images(); len(tags) != 2 {
		s.t.Errorf("images %v, want one under its tag and as the candidate", tags)
	}
}

func TestTheChatServiceIsSetUpUpgradedAndCleanedUp(t *testing.T) {
	docker := engine(t)
	s := newChatSite(t, docker, "")
	h := s.start()
	s.expect(0, "start", s.service, "--wait")
	s.stands("1")

	if again := s.expect(0, "start", s.service, "--wait"); strings.Contains(again.stdout, "built") || !strings.Contains(again.stdout, "unchanged") {
		t.Errorf("the second setup: %v", again)
	}

	stop, result := s.hammer()
	s.version("2")
	s.expect(0, "start", s.service, "--wait")
	s.stands("2")
	write(t, filepath.Join(s.folder, "Dockerfile"), 0o644, "FROM scratch\nCOPY chat-app /chat-app\nENTRYPOINT [\"/chat-app\", \"fail\"]\n")
	broken := s.host("start", s.service, "--wait")
	if all := broken.stdout + broken.stderr; broken.code == 0 || !strings.Contains(all, "chat-app cannot start") {
		t.Errorf("a broken version: %v, want a failure with its log", broken)
	}
	s.stillServes("2")
	stop()
	if n, failed, why := result(); failed > 0 || n < 50 {
		t.Errorf("%d of %d requests failed during an upgrade and a failed one: %v", failed, n, why)
	} else {
		t.Logf("%d requests during an upgrade and a failed one, none failed", n)
	}

	s.expect(0, "stop", s.service)
	s.eventually("everything is cleaned up", func() error {
		if left := s.containers(docker); len(left) > 0 {
			return fmt.Errorf("containers %v", left)
		}
		if left := s.images(); len(left) > 0 {
			return fmt.Errorf("images %v", left)
		}
		return nil
	})
	if _, err := docker.VolumeInspect(t.Context(), s.service+"-neo4j-data"); err != nil {
		t.Errorf("the data is gone: %v", err)
	}
	s.expect(0, "stop", s.service)
	s.nowhere(h)
}

// stillServes wants the version served by the containers of before.
func (s *chatSite) stillServes(version string) {
	s.t.Helper()
	if text, err := s.served(); err != nil || text != "ok version "+version {
		s.t.Errorf("served: %q %v, want version %s", text, err, version)
	}
	if names := s.containers(s.docker); len(names) != 3 {
		s.t.Errorf("containers %v, want those of before", names)
	}
}

// hammer asks the served application all the time.
func (s *chatSite) hammer() (stop func(), result func() (n, failed int, why error)) {
	ended := make(chan struct{})
	var clients sync.WaitGroup
	var mu sync.Mutex
	var n, failed int
	var why error
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
				}
				_, err := s.served()
				mu.Lock()
				n++
				if err != nil {
					failed, why = failed+1, err
				}
				mu.Unlock()
			}
		})
	}
	return func() { close(ended); clients.Wait() }, func() (int, int, error) { return n, failed, why }
}

// nowhere looks for the secret where it must not be.
func (s *chatSite) nowhere(h *running) {
	s.t.Helper()
	if strings.Contains(h.log.String(), canaryModelKey) {
		s.t.Error("the host's log shows the secret")
	}
	c := s.client(sdkclient.Options{})
	for _, e := range history(s.t, c, s.service+"_1", "") {
		text, err := protojson.Marshal(e)
		if err != nil {
			s.t.Fatal(err)
		}
		if bytes.Contains(text, []byte(canaryModelKey)) {
			s.t.Errorf("the history shows the secret: %s", text)
		}
	}
	err := filepath.WalkDir(filepath.Join(s.dir, "state"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if data, err := os.ReadFile(path); err == nil && bytes.Contains(data, []byte(canaryModelKey)) {
			s.t.Errorf("%s holds the secret", path)
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestAChatSetupKilledInTheMiddleReachesTheSameEnd(t *testing.T) {
	docker := engine(t)
	body := func(r *http.Request, text string) bool {
		data, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(data))
		return err == nil && bytes.Contains(data, []byte(text))
	}
	moments := []struct {
		name  string
		pass  bool
		match func(*http.Request) bool
	}{
		{"build", true, func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/build") }},
		{"run", false, func(r *http.Request) bool {
			return strings.HasSuffix(r.URL.Path, "/containers/create") && strings.Contains(r.URL.Query().Get("name"), "-app-")
		}},
		{"switch", true, func(r *http.Request) bool {
			return strings.HasSuffix(r.URL.Path, "/exec") && body(r, `"switch"`)
		}},
	}
	for _, m := range moments {
		for _, victim := range []string{"plugin", "host"} {
			if victim == "host" && m.name != "run" && os.Getenv("ORCH_LONG") == "" {
				continue // a host takes its plugins with it: one moment is enough for every day
			}
			t.Run(victim+" during "+m.name, func(t *testing.T) {
				g := newGateAt(t, docker, m.pass, m.match)
				s := newChatSite(t, docker, g.host)
				h := s.start()
				s.startService()
				g.await(t)
				if victim == "host" {
					h.kill(t)
					if left := s.gone(20 * time.Second); len(left) > 0 {
						t.Fatalf("processes outlive their host:\n%s", strings.Join(left, "\n"))
					}
				} else if err := syscall.Kill(s.pluginPid("chat"), syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
				g.release()
				if victim == "host" {
					s.start()
				}
				if got := s.result(s.client(sdkclient.Options{}), s.service+"_1"); got != "chat_setup_complete" {
					t.Errorf("result %q", got)
				}
				s.stands("1")
			})
		}
	}
}

func TestTheAIProxyIsAServiceOfItsOwn(t *testing.T) {
	docker := engine(t)
	port := freePort(t)
	r := newRig(t, []string{bin("plugins", "chat")}, fmt.Sprintf(`
[plugins.chat.config.ai_proxy]
image = %q
port = 7474
host_port = %d
env = { NEO4J_AUTH = "none" }

[services.{service}]
workflow = "AIProxyWorkflow"
stop_workflow = "AIProxyCleanupWorkflow"
`, neo4jImage, port)) // any server that answers HTTP will do
	t.Cleanup(func() { r.removeContainers(docker) })
	r.start()
	if o := r.expect(0, "start", r.service, "--wait"); !strings.Contains(o.stdout, "AI proxy running") {
		t.Errorf("start: %v", o)
	}
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", port))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	r.expect(0, "stop", r.service)
	r.eventually("the proxy is gone", func() error {
		if left := r.containers(docker); len(left) > 0 {
			return fmt.Errorf("containers %v", left)
		}
		return nil
	})
}
