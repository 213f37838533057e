package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
)

const ingestServices = `
[services.files]
workflow = "ContainerLogsIngestWorkflow"
[services.apps]
workflow = "OtlpFromAppsIngestWorkflow"
`

// newIngestStack is a stack with the two services that configure the collector.
func newIngestStack(t *testing.T) *stack {
	t.Helper()
	s := newStack(t, engine(t), "")
	write(t, s.config, 0o600, read(t, s.config)+ingestServices)
	return s
}

// arrived waits until Loki has exactly n lines of a service that hold text.
func (s *stack) arrived(service, text string, n int) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%d lines of %s with %q are in Loki", n, service, text), func() error {
		r, err := s.loki(fmt.Sprintf(`sum(count_over_time({service_name=%q} |= %q [1h]))`, service, text))
		if err == nil && len(r.Data.Result) == 0 {
			err = errors.New("none")
		}
		if err == nil && fmt.Sprint(r.Data.Result[0].Value[1]) != fmt.Sprint(n) {
			err = fmt.Errorf("%v", r.Data.Result[0].Value[1])
		}
		return err
	})
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheCollectorReadsLogFilesThatAServiceNames(t *testing.T) {
	s := newIngestStack(t)
	logs := filepath.Join(t.TempDir(), "cart")
	if err := os.Mkdir(logs, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(logs, "cart.log")
	appendTo(t, file, strings.Repeat("an early line\n", 100))
	s.expect(0, "run", "logs")
	args := []string{"run", "files", "-p", "service_name=cart", "-p", fmt.Sprintf("log_paths=[%q]", filepath.Join(logs, "*.log")), "-p", fmt.Sprintf("loki_endpoint=http://localhost:%d", s.ports["loki"])}
	if o := s.expect(0, args...); !strings.Contains(o.stdout+o.stderr, "container_logs ingest configured") || !strings.Contains(o.stdout+o.stderr, "replaced") {
		t.Errorf("the first run: %v", o)
	}
	s.arrived("cart", "an early line", 100)
	before := s.components("collector", "loki", "grafana")

	appendTo(t, file, strings.Repeat("a later line\n", 50))
	if o := s.expect(0, args...); !strings.Contains(o.stdout+o.stderr, "unchanged") {
		t.Errorf("again: %v", o)
	}
	s.arrived("cart", "a later line", 50)

	t.Run("what would break the collector is refused", func(t *testing.T) {
		broken := filepath.Join(t.TempDir(), "broken.yaml")
		for text, want := range map[string]string{
			"receivers: {filelog/x: {include: [" + logs + "/*.log], start_at: somewhere}}\nservice: {pipelines: {logs/x: {receivers: [filelog/x], exporters: [otlphttp/loki]}}}": "start_at",
			"receivers:\n  filelog/{{ .service_nam }}: {}\n": "broken.yaml:2:",
		} {
			write(t, broken, 0o644, text)
			if o := s.expect(1, "run", "files", "-p", "service_name=other", "-p", "template_path="+broken); !strings.Contains(o.stdout+o.stderr, want) {
				t.Errorf("%q: %v", text, o)
			}
		}
		if o := s.expect(1, "run", "files", "-p", "service_name=other", "-p", "loki_endpoint=loki"); !strings.Contains(o.stdout+o.stderr, "is not a URL") {
			t.Errorf("%v", o)
		}
		appendTo(t, file, "still read\n")
		s.arrived("cart", "still read", 1)
	})
	t.Run("the logs pipeline leaves it in force", func(t *testing.T) {
		s.expect(0, "run", "logs")
		if after := s.components("collector", "loki", "grafana"); after[s.service+"-collector"] != before[s.service+"-collector"] {
			t.Error("the collector was replaced")
		}
		if err := s.docker.ContainerRestart(t.Context(), s.service+"-collector", container.StopOptions{}); err != nil {
			t.Fatal(err)
		}
		appendTo(t, file, "after a restart\n")
		s.arrived("cart", "after a restart", 1)
		s.arrived("cart", "an early line", 100)
	})
}

func TestTheCollectorReadsTheLogOfAContainer(t *testing.T) {
	s := newIngestStack(t)
	s.expect(0, "run", "logs")
	made, err := s.docker.ContainerCreate(t.Context(), &container.Config{Image: stackImages["grafana"]},
		&container.HostConfig{LogConfig: container.LogConfig{Type: "json-file"}}, nil, nil, s.service+"-app")
	if err == nil {
		err = s.docker.ContainerStart(t.Context(), made.ID, container.StartOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.docker.ContainerInspect(t.Context(), made.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(info.LogPath); err != nil {
		t.Skipf("the log files of containers cannot be seen from here: %v", err)
	}
	s.expect(0, "run", "files", "-p", "service_name=app", "-p", fmt.Sprintf("log_paths=%q", info.LogPath))
	s.arrived("app", "standin-grafana: listening", 1)
	r, err := s.loki(`count_over_time({service_name="app"} |= "{\"log\"" [1h])`)
	if err != nil || len(r.Data.Result) > 0 {
		t.Errorf("Docker's own JSON is in Loki: %+v, %v", r, err)
	}
}

func TestOTLPFromApplicationsIsProvenByARecordThatArrives(t *testing.T) {
	s := newIngestStack(t)
	s.expect(0, "run", "logs")
	before := s.components("collector", "loki", "grafana")
	template := filepath.Join(t.TempDir(), "apps.yaml")
	write(t, template, 0o644, "processors:\n  attributes/{{ service_name }}:\n    actions: [{key: via, value: orch, action: insert}]\nservice:\n  pipelines:\n    logs:\n      processors: [memory_limiter, attributes/{{ service_name }}]\n")
	o := s.expect(0, "run", "apps", "-p", "service_name=checkout", "-p", "template_path="+template, "-p", fmt.Sprintf("otlp_endpoint=http://localhost:%d", s.ports["collector"]))
	if !strings.Contains(o.stdout+o.stderr, "otlp_from_apps ingest enabled") || !strings.Contains(o.stdout+o.stderr, "reloaded") {
		t.Errorf("%v", o)
	}
	s.arrived("checkout", "orch probe", 1)
	r, err := s.loki(`count_over_time({service_name="checkout"} | via="orch" [1h])`)
	if err != nil || len(r.Data.Result) == 0 {
		t.Errorf("the template's processor was not in force: %+v, %v", r, err)
	}
	if after := s.components("collector", "loki", "grafana"); after[s.service+"-collector"] != before[s.service+"-collector"] {
		t.Error("the collector was replaced for what a reload does")
	}
	o = s.expect(1, "run", "apps", "-p", "service_name=checkout", "-p", "otlp_endpoint=http://localhost:9")
	if !strings.Contains(o.stdout+o.stderr, "is not where the collector takes OTLP") {
		t.Errorf("%v", o)
	}
}
