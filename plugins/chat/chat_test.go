package chat

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	dcontainer "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/sdk/pluginv1"
	"github.com/orch-host/orch/sdk/sdktest"
)

// setup runs the three steps of the application and returns the check's answer.
func (s *site) setup() (BuildOutput, RunOutput, RunOutput) {
	s.t.Helper()
	b := do[BuildOutput](s, "build_chat_image_activity")
	r := do[RunOutput](s, "run_chat_container_activity")
	return b, r, do[RunOutput](s, "check_chat_health_activity")
}

func TestAnApplicationIsBuiltRunAndServedOnce(t *testing.T) {
	s := newSite(t)
	s.write("1")
	built, ran, checked := s.setup()
	if built.Action != "built" || !built.Changed || !ran.Created || ran.Action != container.Created || checked.Action != switched || !checked.Healthy {
		t.Errorf("the first time: %+v\n%+v\n%+v", built, ran, checked)
	}
	s.serves("1")
	if code, text, _ := s.page("/"); code != http.StatusOK || !strings.Contains(text, "chat-app version 1") {
		t.Errorf("the page: %d %s", code, text)
	}

	again, ranAgain, checkedAgain := s.setup()
	if again.Action != "unchanged" || again.ImageID != built.ImageID || ranAgain.Changed || ranAgain.Created || checkedAgain.Changed || ranAgain.ContainerID != ran.ContainerID {
		t.Errorf("the second time: %+v\n%+v\n%+v, want nothing changed", again, ranAgain, checkedAgain)
	}
}

func TestAnUpgradeServesEveryRequest(t *testing.T) {
	s := newSite(t)
	s.write("1")
	_, first, _ := s.setup()

	var asked, failed atomic.Int64
	var trouble atomic.Value
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			c := &http.Client{Transport: &http.Transport{DisableKeepAlives: i%2 == 0}, Timeout: 10 * time.Second}
			defer c.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				default:
				}
				resp, err := c.Post(fmt.Sprintf("http://127.0.0.1:%d/api/chat", s.port), "application/json", strings.NewReader(`{"message":"hello there"}`))
				asked.Add(1)
				if err == nil {
					var text []byte
					text, err = io.ReadAll(resp.Body)
					resp.Body.Close()
					if err == nil && (resp.StatusCode != http.StatusOK || strings.TrimSpace(string(text)) != "You said: hello there") {
						err = fmt.Errorf("%d %q", resp.StatusCode, text)
					}
				}
				if err != nil {
					failed.Add(1)
					trouble.Store(err.Error())
				}
			}
		})
	}
	for _, version := range []string{"2", "3"} {
		s.write(version)
		built, ran, checked := s.setup()
		if built.Action != "built" || !ran.Created || checked.Action != switched || len(checked.Replaced) != 1 || checked.Cut != 0 {
			t.Errorf("version %s: %+v\n%+v\n%+v", version, built, ran, checked)
		}
		if ran.ContainerID == first.ContainerID {
			t.Errorf("version %s runs in the container of before", version)
		}
		s.serves(version)
	}
	close(stop)
	clients.Wait()
	if failed.Load() > 0 || asked.Load() < 100 {
		t.Errorf("%d of %d requests failed: %v", failed.Load(), asked.Load(), trouble.Load())
	}
	t.Logf("%d requests during two upgrades, %d failed", asked.Load(), failed.Load())
	if left := s.images(); len(left) != 1 {
		t.Errorf("images left: %v, want the one that runs", left)
	}
}

func TestABrokenVersionLeavesTheOldOneServingAndShowsItsLog(t *testing.T) {
	s := newSite(t)
	s.write("1")
	_, first, _ := s.setup()
	for _, tt := range []struct{ name, dockerfile, want string }{
		{"one that exits", "FROM scratch\nCOPY chat-app /chat-app\nENTRYPOINT [\"/chat-app\", \"fail\"]\n", "chat-app cannot start"},
		{"one that listens elsewhere", "FROM scratch\nCOPY chat-app /chat-app\nENV PORT=1\nENTRYPOINT [\"/chat-app\", \"other\"]\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want == "" {
				s.configure(func(c map[string]any) {
					c["app"].(map[string]any)["env"] = map[string]any{"PORT": "9999"}
					c["health"].(map[string]any)["timeout"] = "2s"
				})
				tt.want = "is not ready after"
			}
			s.file("Dockerfile", tt.dockerfile)
			built := do[BuildOutput](s, "build_chat_image_activity")
			call := sdktest.Call{Activity: "run_chat_container_activity", Args: []any{s.params()}}
			outcome := s.Execute(call)
			failed := outcome.Failure
			var ran RunOutput
			if failed == nil {
				if err := outcome.Decode(&ran); err != nil {
					t.Fatal(err)
				}
				call.Activity = "check_chat_health_activity"
				failed = s.Execute(call).Failure
			}
			if failed == nil || !strings.Contains(failed.Message, tt.want) {
				t.Fatalf("failure %v, want one with %q", failed, tt.want)
			}
			s.serves("1")
			// what the workflow does then
			if ran.Container != "" {
				do[CleanupOutput](s, "delete_chat_container_activity", "container", ran.Container)
			}
			do[CleanupOutput](s, "delete_chat_image_activity", "image", built.Image)
			s.serves("1")
			if left := s.containers(); len(left) != 2 || !strings.Contains(strings.Join(left, " "), first.Container) {
				t.Errorf("containers left: %v, want the front and %s", left, first.Container)
			}
			if left := s.images(); len(left) != 1 {
				t.Errorf("images left: %v", left)
			}
		})
	}
}

func TestCleaningUpRemovesAllButDataAndCanBeDoneTwice(t *testing.T) {
	s := newSite(t)
	s.configure(func(c map[string]any) { c["app"].(map[string]any)["volumes"] = map[string]any{"uploads": "/uploads"} })
	s.write("1")
	dependency := do[DependencyOutput](s, "start_neo4j_dependency_activity")
	if !dependency.Created {
		t.Errorf("Neo4j: %+v, want created", dependency)
	}
	s.setup()
	if again := do[DependencyOutput](s, "start_neo4j_dependency_activity"); again.Created || again.Changed {
		t.Errorf("Neo4j again: %+v, want unchanged", again)
	}
	for round, want := range []string{"deleted", "absent"} {
		for _, activity := range []string{"stop_chat_container_activity", "delete_chat_container_activity", "delete_chat_image_activity"} {
			out := do[CleanupOutput](s, activity)
			if strings.HasPrefix(activity, "delete") && out.Action != want {
				t.Errorf("round %d: %s: %+v, want %s", round+1, activity, out, want)
			}
		}
		do[container.StopOutput](s, "stop_neo4j_dependency_activity")
		if out := do[container.DeleteOutput](s, "delete_neo4j_dependency_activity"); out.Action != want || len(out.KeptVolumes) == 0 {
			t.Errorf("round %d: Neo4j: %+v", round+1, out)
		}
	}
	if left := s.containers(); len(left) != 0 {
		t.Errorf("containers left: %v", left)
	}
	if left := s.images(); len(left) != 0 {
		t.Errorf("images left: %v", left)
	}
	var out CleanupOutput
	if err := s.Run("delete_chat_container_activity", map[string]any{"service_name": s.service, "purge": true}).Decode(&out); err != nil || len(out.RemovedVolumes) != 1 {
		t.Errorf("purge: %+v %v, want the volume removed", out, err)
	}
}

func TestWhatCannotBeBuiltIsRefusedWithTheCure(t *testing.T) {
	s := newSite(t)
	s.configure(func(c map[string]any) {
		c["app"].(map[string]any)["secret_env"] = map[string]any{"MODEL_KEY": "canary-in-the-image"}
	})
	build := "build_chat_image_activity"
	none := map[string]any{"service_name": s.service}
	s.refused(build, none, "no context", "plugins.chat.config.build.context")
	s.refused(build, s.params("context", "relative/path"), "not an absolute path")
	s.refused(build, s.params("context", filepath.Join(s.folder, "nowhere")), "does not exist")
	s.refused(build, s.params(), "there is no Dockerfile", s.folder)
	s.refused(build, s.params("dockerfile", "../Dockerfile"), "not inside the context")
	s.file("Dockerfile", "FROM scratch\nCOPPY x /x\n")
	s.refused(build, s.params(), "unknown instruction", "COPPY")
	s.file("Dockerfile", "FROM scratch\nCOPY x /x\n")
	secret := s.params()
	secret["build_args"] = map[string]any{"API_TOKEN": "x"}
	s.refused(build, secret, "API_TOKEN", "secret_env")
	secret["build_args"] = map[string]any{"FLAVOUR": "with canary-in-the-image inside"}
	s.refused(build, secret, "FLAVOUR", "secret_env")
	s.file("x", "text before "+strings.Repeat("-", 40000)+"canary-in-the-image")
	s.refused(build, s.params(), "x in the context", ".dockerignore")
	huge, err := os.Create(filepath.Join(s.folder, "huge"))
	if err != nil {
		t.Fatal(err)
	}
	defer huge.Close()
	if err := huge.Truncate(5 << 30); err != nil {
		t.Fatal(err)
	}
	s.refused(build, s.params(), "has 5GiB", "limit of 2GiB", "huge 5GiB", ".dockerignore")
	s.file(".dockerignore", "huge\nx\n")
	f := s.Execute(sdktest.Call{Activity: build, Args: []any{s.params()}}).Failure
	if f == nil || f.Type != typeBuild || !strings.Contains(f.Message, "Step 2/") {
		t.Errorf("a step that fails: %v, want the build's last lines", f)
	}
	if left := s.images(); len(left) != 0 {
		t.Errorf("images left: %v", left)
	}
}

func TestAPortThatIsTakenIsSaidBeforeAnythingRuns(t *testing.T) {
	s := newSite(t)
	s.write("1")
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	do[BuildOutput](s, "build_chat_image_activity")
	f := s.Execute(sdktest.Call{Activity: "run_chat_container_activity", Args: []any{s.params()}}).Failure
	if f == nil || f.Type != container.TypePortInUse || !strings.Contains(f.Message, "plugins.chat.config.app.host_port") {
		t.Errorf("failure %v, want the port and its setting", f)
	}
	if left := s.containers(); len(left) != 0 {
		t.Errorf("containers left: %v", left)
	}
}

func TestSecretsReachTheApplicationAndNothingElse(t *testing.T) {
	const canary = "canary-model-key-1234"
	s := newSite(t)
	s.configure(func(c map[string]any) {
		c["app"].(map[string]any)["secret_env"] = map[string]any{"MODEL_KEY": canary}
	})
	s.write("1")
	s.setup()
	docker := s.docker()
	for _, name := range s.images() {
		history, err := docker.ImageHistory(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(fmt.Sprint(history), canary) {
			t.Errorf("the history of image %s shows the secret", name)
		}
	}
	reached := false
	for _, name := range s.containers() {
		c, err := docker.ContainerInspect(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		reached = reached || strings.Contains(strings.Join(c.Config.Env, " "), "MODEL_KEY="+canary)
		if strings.Contains(fmt.Sprint(c.Config.Labels, c.Config.Cmd, c.Name), canary) {
			t.Errorf("labels or command of container %s show the secret", name)
		}
	}
	if !reached {
		t.Error("the application does not get its secret")
	}
	s.file("Dockerfile", "FROM scratch\nCOPY chat-app /chat-app\nENTRYPOINT [\"/chat-app\", \"fail\", \""+canary+"\"]\n")
	f := s.Execute(sdktest.Call{Activity: "build_chat_image_activity", Args: []any{s.params()}}).Failure
	if f == nil || strings.Contains(f.Message, canary) {
		t.Errorf("a Dockerfile with the secret: %v, want it refused without showing it", f)
	}
}

func (s *site) configure(change func(map[string]any)) {
	s.t.Helper()
	change(s.config)
	if problems := s.Configure(s.config, s.state); len(problems) > 0 {
		s.t.Fatalf("configuration refused: %v", problems)
	}
}

func (s *site) docker() *client.Client {
	s.t.Helper()
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { docker.Close() })
	return docker
}

// containers are those whose names begin with the service's.
func (s *site) containers() []string {
	s.t.Helper()
	var g container.Group
	defer g.Close(s.t.Context())
	e, err := g.Engine()
	if err != nil {
		s.t.Fatal(err)
	}
	var names []string
	for _, c := range []string{component, frontComponent, "neo4j"} {
		found, err := e.List(s.t.Context(), s.service, c)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, f := range found {
			names = append(names, f.Name)
		}
	}
	return names
}

// images are the tags of the service's images, without the moving one.
func (s *site) images() []string {
	s.t.Helper()
	docker := s.docker()
	list, err := docker.ImageList(s.t.Context(), image.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	var names []string
	for _, img := range list {
		for _, n := range img.RepoTags {
			if strings.HasPrefix(n, "orch/"+s.service+"-") && !strings.HasSuffix(n, ":"+candidateTag) {
				names = append(names, n)
			}
		}
	}
	return names
}

func TestACanceledBuildEndsAtOnceAndLeavesNothing(t *testing.T) {
	s := newSite(t)
	s.file("Dockerfile", "FROM "+neo4jImage+"\nENV NEO4J_AUTH=none\nENV MARK="+s.service+"\nRUN [\"/server\"]\n") // which does not end
	attempt := s.Begin(sdktest.Call{Activity: "build_chat_image_activity", Args: []any{s.params()}})
	docker := s.docker()
	building := func() int {
		list, err := docker.ContainerList(t.Context(), dcontainer.ListOptions{All: true})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, c := range list {
			if i, err := docker.ContainerInspect(t.Context(), c.ID); err == nil && strings.Contains(strings.Join(i.Config.Env, " "), "MARK="+s.service) {
				n++
			}
		}
		return n
	}
	for deadline := time.Now().Add(time.Minute); building() == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the build does not begin")
		}
	}
	attempt.Cancel(pluginv1.Cancel_REQUESTED, 10*time.Second)
	if o := attempt.Wait(); o.Failure == nil {
		t.Errorf("it answered %+v", o)
	}
	for deadline := time.Now().Add(30 * time.Second); building() > 0; {
		if time.Now().After(deadline) {
			t.Fatal("the container of the build is left")
		}
	}
	if left := s.images(); len(left) != 0 {
		t.Errorf("images left: %v", left)
	}
}

func TestADockerThatDoesNotAnswerIsSaidWithTheSetting(t *testing.T) {
	h := sdktest.Start(t, Plugin("0.0.1"), sdktest.Config(map[string]any{"docker": map[string]any{"host": "unix:///nowhere/docker.sock"}}))
	dir := folder(t, map[string]string{"Dockerfile": "FROM scratch"})
	for _, activity := range []string{"start_neo4j_dependency_activity", "build_chat_image_activity", "run_chat_container_activity", "stop_chat_container_activity"} {
		f := h.Execute(sdktest.Call{Activity: activity, Args: []any{map[string]any{"service_name": "s", "context": dir}}}).Failure
		if f == nil || f.Type != container.TypeUnreachable || !strings.Contains(f.Message, "plugins.chat.config.docker.host") {
			t.Errorf("%s: %v, want %s with the setting", activity, f, container.TypeUnreachable)
		}
	}
}
