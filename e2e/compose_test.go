package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
	docker := engine(t)
	prefix, port, ui := unique()+"-", freePort(t), freePort(t)
	dir := filepath.Join(t.TempDir(), "infra")
	env := append(os.Environ(), "PREFIX="+prefix, fmt.Sprintf("TEMPORAL_PORT=%d", port), fmt.Sprintf("UI_PORT=%d", ui))
	run := func(name string, args ...string) string {
		t.Helper()
		c := exec.Command(name, args...)
		c.Env = env
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	t.Cleanup(func() {
		run(bin("host"), "infra", "down", "--purge", "--dir", dir)
	})
	if out := run(bin("host"), "infra", "up", "--dir", dir); !strings.Contains(out, fmt.Sprintf("address = \"127.0.0.1:%d\"", port)) {
		t.Errorf("up: %s", out)
	}
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
	text := strings.Replace(read(t, r.config), "[host]", fmt.Sprintf("[temporal]\nmode = \"external\"\naddress = \"127.0.0.1:%d\"\n\n[host]\npipelines_dir = %q", port, pipelines), 1)
	write(t, r.config, 0o600, text)
	r.port = port
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
