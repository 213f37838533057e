package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

// TestTemporalOnPostgreSQLByCompose takes minutes and images that take minutes:
// it runs with ORCH_INFRA=1.
func TestTemporalOnPostgreSQLByCompose(t *testing.T) {
	if os.Getenv("ORCH_INFRA") == "" {
		t.Skip("ORCH_INFRA is not set: the compose stack is not tried (make -C images infra, then ORCH_INFRA=1)")
	}
	t.Run("docker-compose", func(t *testing.T) {
		if _, err := exec.LookPath("docker-compose"); err != nil {
			t.Skip("docker-compose is not installed")
		}
		temporalByCompose(t, "DOCKER_CONFIG="+t.TempDir()) // where no plugin is
	})
	t.Run("docker compose", func(t *testing.T) {
		environ := []string{}
		if exec.Command("docker", "compose", "version").Run() != nil {
			config, err := filepath.Abs(bin("tools", "docker"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(filepath.Join(config, "cli-plugins", "docker-compose")); err != nil {
				t.Skip("docker compose is not installed: make compose-v2 builds it")
			}
			environ = append(environ, "DOCKER_CONFIG="+config)
		}
		temporalByCompose(t, environ...)
	})
}

func temporalByCompose(t *testing.T, environ ...string) {
	docker := engine(t)
	stack := composeUp(t, environ...)
	prefix, port, ui, dir, run := stack.prefix, stack.port, stack.ui, stack.dir, stack.run
	if out := run("docker", "exec", prefix+"temporal-postgresql", "psql", "-U", "temporal", "-d", "temporal", "-c", "SELECT 1;"); !strings.Contains(out, "(1 row)") {
		t.Errorf("psql: %s", out)
	}
	if st, err := os.Stat(filepath.Join(dir, ".env")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf(".env: %v, %v", st, err)
	}
	pipelines, err := filepath.Abs("../examples/pipelines")
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, []string{bin("plugins", "greeter")}, `
[services.{service}]
pipeline = "hello"
params = { name = "PostgreSQL" }
`)
	write(t, r.config, 0o600, strings.Replace(read(t, r.config), "[host]", fmt.Sprintf("[host]\npipelines_dir = %q", pipelines), 1))
	r.external(port)
	r.eventually("the Web UI lists the namespaces", func() error {
		resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/api/v1/namespaces", ui))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		return nil
	})
	r.start()
	greet := func(when string) {
		t.Helper()
		r.eventually("a workflow runs "+when, func() error {
			if o := r.host("start", "--wait", r.service); o.code != 0 || !strings.Contains(o.stdout, "PostgreSQL") {
				return errors.New(o.String())
			}
			return nil
		})
	}
	greet("at first")
	for _, name := range []string{"temporal", "temporal-postgresql", "temporal-ui"} {
		if err := docker.ContainerRestart(t.Context(), prefix+name, container.StopOptions{}); err != nil {
			t.Fatal(err)
		}
		greet("after the restart of " + name)
	}
	before := r.host("status", "--json", r.service).stdout
	run(bin("host"), "infra", "down", "--dir", dir)
	run(bin("host"), "infra", "up", "--dir", dir)
	if out := run(bin("host"), "infra", "status", "--dir", dir); !strings.Contains(out, prefix+"temporal-ui") {
		t.Errorf("status: %s", out)
	}
	r.eventually("the history is still there", func() error {
		if o := r.host("status", "--json", r.service); o.code != 0 || o.stdout != before {
			return errors.New(o.String())
		}
		return nil
	})
	time.Sleep(time.Second)
	greet("after down and up")
}

// TestTheTwelveWorkflowsRunOnComposeWhileItsContainersAreRestarted runs the tests
// of the workflow types once more, against the server of the compose stack, whose
// containers are restarted in turn under them.
func TestTheTwelveWorkflowsRunOnComposeWhileItsContainersAreRestarted(t *testing.T) {
	if os.Getenv("ORCH_INFRA") == "" {
		t.Skip("ORCH_INFRA is not set: the compose stack is not tried (make -C images infra, then ORCH_INFRA=1)")
	}
	docker := engine(t)
	stack := composeUp(t)
	externalPort = stack.port
	defer func() { externalPort = 0 }()
	ctx, stop := context.WithCancel(t.Context())
	restarts := map[string]int{}
	var restarting sync.WaitGroup
	restarting.Go(func() {
		for n := 0; sleep(ctx, 15*time.Second); n++ {
			name := []string{"temporal", "temporal-postgresql", "temporal-ui"}[n%3]
			if err := docker.ContainerRestart(t.Context(), stack.prefix+name, container.StopOptions{}); err != nil {
				t.Error(err)
			}
			restarts[name]++
		}
	})
	for _, run := range []struct {
		types string
		test  func(*testing.T)
	}{
		{"Database", TestTheDatabasePipelineRunsFromOneCommandAndASecondRunChangesNothing},
		{"Logs, Metrics, Tracing, ContainerLogsIngest", TestTheThreePipelinesBringTheStackUp},
		{"ContainerLogsIngest", TestTheCollectorReadsLogFilesThatAServiceNames},
		{"OtlpFromAppsIngest", TestOTLPFromApplicationsIsProvenByARecordThatArrives},
		{"ApplicationStdoutIngest", TestASwapInTheMiddleOfAShipmentLosesAndRepeatsNothing},
		{"ChatSetup, ChatCleanup", TestTheChatServiceIsSetUpUpgradedAndCleanedUp},
		{"Flyio, Railway, RenderDeployment", TestDeploymentsRunFromTheCommandLineToTheProvider},
	} {
		t.Run(run.types, run.test)
	}
	stop()
	restarting.Wait()
	t.Logf("restarts: %v", restarts)
}

// runWith runs a command with an environment and returns what it printed.
func runWith(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	c := exec.Command(name, args...)
	c.Env = env
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestTheHostRunsAsAContainerOfTheStack drives it from outside.
func TestTheHostRunsAsAContainerOfTheStack(t *testing.T) {
	if os.Getenv("ORCH_INFRA") == "" {
		t.Skip("ORCH_INFRA is not set: the host's container is not tried (make host-image, make -C images infra, then ORCH_INFRA=1)")
	}
	docker := engine(t)
	r := databases(t, docker, "")
	stack := composeUp(t)
	r.external(stack.port)
	inside := filepath.Join(t.TempDir(), "inside.toml")
	text := read(t, r.config)
	_, text, _ = strings.Cut(text, "[plugins.databases")
	write(t, inside, 0o644, "[host]\nlisten = \"\"\n\n[plugins.databases"+text)
	stack.run(bin("host"), "infra", "up", "--dir", stack.dir, "--host", inside)
	r.eventually("the container serves the service", func() error {
		if o := r.host("start", "--wait", r.service); o.code != 0 || !strings.Contains(o.stdout, "Database pipeline fully configured") {
			return errors.New(o.String())
		}
		return nil
	})
	i, err := docker.ContainerInspect(t.Context(), stack.prefix+"orch-host")
	if err != nil {
		t.Fatal(err)
	}
	if user := i.Config.User; !strings.HasPrefix(user, "10001:") || !i.HostConfig.ReadonlyRootfs || i.HostConfig.Privileged {
		t.Errorf("the container runs as %q, read-only %v, privileged %v", user, i.HostConfig.ReadonlyRootfs, i.HostConfig.Privileged)
	}
	r.eventually("it is healthy", func() error {
		i, err := docker.ContainerInspect(t.Context(), stack.prefix+"orch-host")
		if err == nil && (i.State.Health == nil || i.State.Health.Status != container.Healthy) {
			err = fmt.Errorf("%+v", i.State.Health)
		}
		return err
	})
}
