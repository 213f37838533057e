package chat

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/sdk/sdktest"
)

const neo4jImage = "orch/standin-neo4j:5"

var dockerTrouble error // why Docker cannot be used; nil: it can

var program string // the plugin as it is shipped; the front's image is made from it

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "orch-chat")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "chat")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "../../cmd/plugins/chat")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the plugin: %v\n%s", err, out)
		os.Exit(1)
	}
	dockerTrouble = standIn()
	code := m.Run()
	_ = os.RemoveAll(dir)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// standIn builds the stand-in image, as "make images" does.
func standIn() error {
	var g container.Group
	defer g.Close(context.Background())
	e, err := g.Engine()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := e.Ping(ctx); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "make", "-C", "../../images", "standin-neo4j").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the stand-in image: %v\n%s", err, out)
		os.Exit(1)
	}
	return nil
}

// site is a plugin served over real gRPC, with a service and an application of its own.
type site struct {
	*sdktest.Harness
	t       *testing.T
	service string
	state   string
	folder  string // the application's source
	port    int    // where it is served
	config  map[string]any
}

func newSite(t *testing.T) *site {
	t.Helper()
	if dockerTrouble != nil {
		t.Skipf("docker not available: %v", dockerTrouble)
	}
	var b [5]byte
	_, _ = rand.Read(b[:])
	s := &site{t: t, service: "orchtest-" + hex.EncodeToString(b[:]), state: t.TempDir(), folder: t.TempDir(), port: freePort(t)}
	s.config = map[string]any{
		"app":        map[string]any{"host_port": s.port, "drain": "5s", "stop_after": "2s"},
		"health":     map[string]any{"path": "/healthz", "timeout": "20s"},
		"neo4j":      map[string]any{"image": neo4jImage},
		"cloudflare": map[string]any{"checks": []string{}},
		"docker":     map[string]any{},
	}
	s.makeFront()
	s.Harness = sdktest.Start(t, Plugin("0.0.1"), sdktest.Config(s.config), sdktest.StateDir(s.state))
	t.Cleanup(s.sweep)
	return s
}

// makeFront makes the front's image, which this test's own binary cannot: it is
// not a static one.
func (s *site) makeFront() {
	s.t.Helper()
	var g container.Group
	defer g.Close(s.t.Context())
	e, err := g.Engine()
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := frontImage(s.t.Context(), e, program); err != nil {
		s.t.Fatal(err)
	}
}

// sweep removes what the test made, through the activities themselves.
func (s *site) sweep() {
	for _, activity := range []string{"delete_chat_container_activity", "delete_neo4j_dependency_activity", "delete_chat_image_activity"} {
		if f := s.Execute(sdktest.Call{Activity: activity, Args: []any{map[string]any{"service_name": s.service, "purge": true}}}).Failure; f != nil {
			s.t.Errorf("clean up: %s: %v", activity, f)
		}
	}
}

func (s *site) params(more ...string) map[string]any {
	p := map[string]any{"service_name": s.service, "context": s.folder}
	for i := 0; i+1 < len(more); i += 2 {
		p[more[i]] = more[i+1]
	}
	return p
}

// do runs an activity with the site's params.
func do[T any](s *site, activity string, more ...string) T {
	s.t.Helper()
	var out T
	if err := s.Run(activity, s.params(more...)).Decode(&out); err != nil {
		s.t.Fatalf("%s: %v", activity, err)
	}
	return out
}

// refused runs an activity that has to fail for good, with all of the texts.
func (s *site) refused(activity string, params map[string]any, texts ...string) {
	s.t.Helper()
	f := s.Execute(sdktest.Call{Activity: activity, Args: []any{params}}).Failure
	if f == nil || !f.NonRetryable {
		s.t.Fatalf("%s: failure %v, want a final one", activity, f)
	}
	for _, want := range texts {
		if !strings.Contains(f.Message, want) {
			s.t.Errorf("%s: message %q lacks %q", activity, f.Message, want)
		}
	}
}

// write puts a version of the example application into the folder.
func (s *site) write(version string) {
	s.t.Helper()
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version="+version, "-o", filepath.Join(s.folder, "chat-app"), "../../examples/chat-app")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		s.t.Fatalf("build the application: %v\n%s", err, out)
	}
	for _, name := range []string{"Dockerfile", ".dockerignore"} {
		text, err := os.ReadFile(filepath.Join("../../examples/chat-app", name))
		if err != nil {
			s.t.Fatal(err)
		}
		s.file(name, string(text))
	}
}

func (s *site) file(name, text string) {
	s.t.Helper()
	at := filepath.Join(s.folder, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// page asks the served application.
func (s *site) page(path string) (int, string, error) {
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := c.Get(fmt.Sprintf("http://127.0.0.1:%d%s", s.port, path))
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// serves wants the version to be the one that is served.
func (s *site) serves(version string) {
	s.t.Helper()
	code, text, err := s.page("/healthz")
	if err != nil || code != http.StatusOK || strings.TrimSpace(text) != "ok version "+version {
		s.t.Errorf("served: %d %q %v, want version %s", code, text, err, version)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
