package databases

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/client"
	"go.uber.org/goleak"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/plugins/internal/neo4j"
	"github.com/orch-host/orch/plugins/internal/ready"
	"github.com/orch-host/orch/sdk"
	"github.com/orch-host/orch/sdk/sdktest"
)

const (
	neo4jImage  = "orch/standin-neo4j:5"
	qdrantImage = "orch/standin-qdrant:1"
)

var dockerTrouble error // why Docker cannot be used; nil: it can

func TestMain(m *testing.M) {
	dockerTrouble = standIns()
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// standIns builds the stand-in images, as "make images" does.
func standIns() error {
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
	if out, err := exec.CommandContext(ctx, "make", "-C", "../../images", "standin-neo4j", "standin-qdrant").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the stand-in images: %v\n%s", err, out)
		os.Exit(1)
	}
	return nil
}

// site is a plugin served over real gRPC, with a service of its own.
type site struct {
	*sdktest.Harness
	t       *testing.T
	service string
	state   string
	config  map[string]any
}

func newSite(t *testing.T) *site {
	t.Helper()
	if dockerTrouble != nil {
		t.Skipf("docker not available: %v", dockerTrouble)
	}
	var b [5]byte
	_, _ = rand.Read(b[:])
	s := &site{t: t, service: "orchtest-" + hex.EncodeToString(b[:]), state: t.TempDir()}
	s.config = map[string]any{
		"neo4j":  map[string]any{"image": neo4jImage, "http_port": freePort(t), "bolt_port": freePort(t)},
		"qdrant": map[string]any{"image": qdrantImage, "http_port": freePort(t), "grpc_port": freePort(t)},
	}
	s.Harness = sdktest.Start(t, Plugin("0.0.1"), sdktest.Config(s.config), sdktest.StateDir(s.state))
	t.Cleanup(s.sweep)
	return s
}

// sweep removes what the test made, through the activities themselves.
func (s *site) sweep() {
	g := &group{}
	defer g.docker.Close(context.Background())
	for _, c := range []container.Component{g.neo4j(), g.qdrant()} {
		if _, err := c.Delete(context.Background(), container.DeleteInput{ServiceName: s.service, Purge: true}); err != nil {
			s.t.Errorf("clean up %s: %v", c.Name, err)
		}
	}
}

func (s *site) configure(change func(map[string]any)) {
	s.t.Helper()
	change(s.config)
	if problems := s.Configure(s.config, s.state); len(problems) > 0 {
		s.t.Fatalf("configuration refused: %v", problems)
	}
}

func (s *site) start(activity string) container.StartOutput {
	s.t.Helper()
	var out container.StartOutput
	if err := s.Run(activity, s.service).Decode(&out); err != nil {
		s.t.Fatal(err)
	}
	return out
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

// ask makes one request and returns status and body.
func ask(t *testing.T, method, url, user, pass string, header http.Header) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(`{"statements":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if user != "" {
		req.SetBasicAuth(user, pass)
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body.String()
}

func TestBothDatabasesStartOnceAndAreLeftAloneThen(t *testing.T) {
	s := newSite(t)
	for _, db := range []string{"neo4j", "qdrant"} {
		first := s.start("start_" + db + "_container")
		if first.Action != container.Created || !first.Changed || !first.StandIn || first.Name != s.service+"-"+db {
			t.Errorf("%s: %+v, want created, stand-in, named %s-%s", db, first, s.service, db)
		}
		again := s.start("start_" + db + "_container")
		if again.Action != container.Unchanged || again.Changed || again.ContainerID != first.ContainerID {
			t.Errorf("%s again: %+v, want unchanged", db, again)
		}
		byObject := container.StartOutput{}
		if err := s.Run("start_"+db+"_container", map[string]any{"service_name": s.service, "other": 1}).Decode(&byObject); err != nil || byObject.ContainerID != first.ContainerID {
			t.Errorf("%s by an object: %+v, %v", db, byObject, err)
		}
	}
}

func TestNeo4jGetsAGeneratedPasswordThatOnlyAFileShows(t *testing.T) {
	s := newSite(t)
	outcome := s.Run("start_neo4j_container", s.service)
	var out container.StartOutput
	if err := outcome.Decode(&out); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(out.CredentialsFile)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("password file %q: %v, want 0600", out.CredentialsFile, err)
	}
	data, err := os.ReadFile(out.CredentialsFile)
	if err != nil {
		t.Fatal(err)
	}
	pass := strings.TrimSpace(string(data))
	url := out.Endpoints["http"] + "/db/system/tx/commit"
	if code, _ := ask(t, "POST", url, "neo4j", pass, nil); code != http.StatusOK {
		t.Errorf("with the password: %d, want 200", code)
	}
	if code, _ := ask(t, "POST", url, "neo4j", "wrong-password", nil); code != http.StatusUnauthorized {
		t.Errorf("with another one: %d, want 401", code)
	}
	shown, err := json.Marshal(outcome)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(shown, []byte(pass)) {
		t.Error("result, heartbeats or progress show the password")
	}
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	defer docker.Close()
	_, raw, err := docker.ContainerInspectWithRaw(t.Context(), out.ContainerID, false)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, []byte(pass)) {
		t.Error("docker inspect shows the password")
	}
	if err := os.Remove(out.CredentialsFile); err != nil {
		t.Fatal(err)
	}
	failed := s.Execute(sdktest.Call{Activity: "start_neo4j_container", Args: []any{s.service}}).Failure
	if failed == nil || !failed.NonRetryable || failed.Type != container.TypeNotReady ||
		!strings.Contains(failed.Message, "another password") || !strings.Contains(failed.Message, "purge") {
		t.Errorf("with the password file lost: %v, want a final failure that says what to do", failed)
	}
	old := ready.HTTP(url, ready.HTTPOptions{Method: "POST", Body: `{"statements":[]}`, Username: "neo4j", Password: sdk.Secret(pass)})
	if err := ready.Poll(t.Context(), old, ready.PollOptions{What: "the container of before"}); err != nil {
		t.Error(err)
	}
	s.Run("delete_neo4j_container", map[string]any{"service_name": s.service, "purge": true})
	if fresh := s.start("start_neo4j_container"); fresh.Action != container.Created || fresh.CredentialsFile != out.CredentialsFile {
		t.Errorf("after a purge: %+v, want it created with a new password", fresh)
	}
}

func TestAConfiguredPasswordIsUsedAndNoFileIsMade(t *testing.T) {
	s := newSite(t)
	s.configure(func(c map[string]any) { c["neo4j"].(map[string]any)["password"] = "canary-hunter2" })
	out := s.start("start_neo4j_container")
	if out.CredentialsFile != "" {
		t.Errorf("a password file %s", out.CredentialsFile)
	}
	if code, _ := ask(t, "POST", out.Endpoints["http"]+"/db/system/tx/commit", "neo4j", "canary-hunter2", nil); code != http.StatusOK {
		t.Errorf("with the configured password: %d, want 200", code)
	}
}

func TestQdrantKeepsItsCollectionsUntilPurged(t *testing.T) {
	s := newSite(t)
	first := s.start("start_qdrant_container")
	if code, body := ask(t, "PUT", first.Endpoints["http"]+"/collections/books", "", "", nil); code != http.StatusOK {
		t.Fatalf("make a collection: %d %s", code, body)
	}
	var stopped container.StopOutput
	if err := s.Run("stop_qdrant_container", s.service).Decode(&stopped); err != nil || stopped.Action != "stopped" || !stopped.Changed {
		t.Errorf("stop: %+v, %v", stopped, err)
	}
	if err := s.Run("stop_qdrant_container", s.service).Decode(&stopped); err != nil || stopped.Action != "unchanged" || stopped.Changed {
		t.Errorf("stop again: %+v, %v", stopped, err)
	}
	var deleted container.DeleteOutput
	if err := s.Run("delete_qdrant_container", s.service).Decode(&deleted); err != nil || deleted.Action != "deleted" || len(deleted.KeptVolumes) == 0 {
		t.Errorf("delete: %+v, %v", deleted, err)
	}
	second := s.start("start_qdrant_container")
	if _, body := ask(t, "GET", second.Endpoints["http"]+"/collections", "", "", nil); !strings.Contains(body, "books") {
		t.Errorf("after delete and start: %s, want the collection kept", body)
	}
	if err := s.Run("delete_qdrant_container", map[string]any{"service_name": s.service, "purge": true}).Decode(&deleted); err != nil || len(deleted.RemovedVolumes) == 0 {
		t.Errorf("purge: %+v, %v", deleted, err)
	}
	if err := s.Run("stop_qdrant_container", s.service).Decode(&stopped); err != nil || stopped.Action != "absent" {
		t.Errorf("stop of nothing: %+v, %v", stopped, err)
	}
	third := s.start("start_qdrant_container")
	if _, body := ask(t, "GET", third.Endpoints["http"]+"/collections", "", "", nil); strings.Contains(body, "books") {
		t.Errorf("after purge and start: %s, want no collection", body)
	}
}

func TestQdrantAsksForItsAPIKey(t *testing.T) {
	s := newSite(t)
	s.configure(func(c map[string]any) { c["qdrant"].(map[string]any)["api_key"] = "canary-key" })
	out := s.start("start_qdrant_container")
	if code, _ := ask(t, "GET", out.Endpoints["http"]+"/collections", "", "", nil); code != http.StatusUnauthorized {
		t.Errorf("without the key: %d, want 401", code)
	}
	if code, _ := ask(t, "GET", out.Endpoints["http"]+"/collections", "", "", http.Header{"Api-Key": {"canary-key"}}); code != http.StatusOK {
		t.Errorf("with the key: %d, want 200", code)
	}
	s.configure(func(c map[string]any) { delete(c["qdrant"].(map[string]any), "api_key") })
	if again := s.start("start_qdrant_container"); again.Action != container.Replaced {
		t.Errorf("with the key taken out: %s, want replaced", again.Action)
	}
}

func TestADatabaseThatIsNotLocalNeverRunsWithoutASecret(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		bind      string
		generated bool
	}{{"", false}, {"127.0.0.1", false}, {"::1", false}, {"0.0.0.0", true}, {"192.0.2.1", true}} {
		plan, err := qdrantPlan(Config{Bind: tt.bind}, "s", dir+"/key"+tt.bind)
		if err != nil {
			t.Fatal(err)
		}
		if got := plan.CredentialsFile != "" && len(plan.Spec.Files) == 1; got != tt.generated {
			t.Errorf("bound to %q: generated key %v, want %v", tt.bind, got, tt.generated)
		}
	}
}

func TestAMissingImageNamesTheSettingAndTheCommands(t *testing.T) {
	s := newSite(t)
	s.configure(func(c map[string]any) { c["neo4j"].(map[string]any)["image"] = "localhost:1/neo4j:5.26" })
	failed := s.Execute(sdktest.Call{Activity: "start_neo4j_container", Args: []any{s.service}}).Failure
	if failed == nil || failed.Type != container.TypeImage {
		t.Fatalf("failure %v, want %s", failed, container.TypeImage)
	}
	for _, want := range []string{"docker pull localhost:1/neo4j:5.26", "make images", "plugins.databases.config.neo4j.image"} {
		if !strings.Contains(failed.Message, want) {
			t.Errorf("message %q lacks %q", failed.Message, want)
		}
	}
}

func TestAPortInUseNamesItsSetting(t *testing.T) {
	s := newSite(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s.configure(func(c map[string]any) {
		c["qdrant"].(map[string]any)["grpc_port"] = l.Addr().(*net.TCPAddr).Port
	})
	failed := s.Execute(sdktest.Call{Activity: "start_qdrant_container", Args: []any{s.service}}).Failure
	if failed == nil || failed.Type != container.TypePortInUse || !strings.Contains(failed.Message, "plugins.databases.config.qdrant.grpc_port") {
		t.Errorf("failure %v, want %s with the setting", failed, container.TypePortInUse)
	}
}

func TestConfigurationThatCannotWorkIsRefusedWithItsKey(t *testing.T) {
	secret := "canary"
	tests := []struct {
		name   string
		config Config
		want   string
	}{
		{"a bind address that is a name", Config{Bind: "localhost"}, "bind: "},
		{"a port out of range", Config{Neo4j: neo4j.Config{BoltPort: 70000}}, "neo4j.bolt_port: "},
		{"a negative port", Config{Qdrant: QdrantConfig{HTTPPort: -1}}, "qdrant.http_port: "},
		{"memory without a number", Config{Qdrant: QdrantConfig{Memory: "lots"}}, "qdrant.memory: "},
		{"a short password", Config{Neo4j: neo4j.Config{Password: sdk.Secret(secret)}}, "neo4j.password: "},
		{"a password in the environment", Config{Neo4j: neo4j.Config{Env: map[string]string{"NEO4J_AUTH": "neo4j/" + secret}}}, "neo4j.env.NEO4J_AUTH: "},
		{"a key in the environment", Config{Qdrant: QdrantConfig{Env: map[string]string{"QDRANT__SERVICE__API_KEY": secret}}}, "qdrant.env.QDRANT__SERVICE__API_KEY: "},
		{"a Docker host of an unknown kind", Config{Docker: container.DockerConfig{Host: "nonsense"}}, "docker.host: "},
		{"a Docker host over ssh", Config{Docker: container.DockerConfig{Host: "ssh://me@there"}}, "docker.host: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := &group{}
			defer g.docker.Close(context.Background())
			err := g.configure(context.Background(), tt.config)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("error %v, want one that begins with %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("error %q shows the secret", err)
			}
		})
	}
}

func TestAServiceNameThatCannotBeAContainerNameIsRefused(t *testing.T) {
	g := &group{}
	defer g.docker.Close(context.Background())
	for _, name := range []string{"", "../etc", "two words", "-x"} {
		_, err := g.neo4j().Start(context.Background(), container.StartInput{ServiceName: name})
		if err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
}

func TestTheConfigurationNeverPrintsItsSecrets(t *testing.T) {
	var log bytes.Buffer
	c := Config{Neo4j: neo4j.Config{Password: "canary-1"}, Qdrant: QdrantConfig{APIKey: "canary-2"}}
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "config", c)
	fmt.Fprintf(&log, "%v %+v %#v", c, c, c)
	if strings.Contains(log.String(), "canary") {
		t.Errorf("%s", log.String())
	}
}
