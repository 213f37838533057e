package observability

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/plugins/internal/ready"
	"github.com/orch-host/orch/sdk"
)

const (
	promtailPort       = 9080
	promtailConfigPath = "/etc/promtail/orch.yaml"
	promtailData       = "/var/lib/promtail"
	promtailLogs       = "/logs" // folders of the host are seen below it
)

// PromtailConfig is the table [plugins.observability.config.promtail].
// Promtail is at the end of its life (github.com/grafana/loki/issues/13150):
// it is here for those who use it; tail_and_ship_logs_activity does its work.
type PromtailConfig struct {
	Common
	Paths  []string          `json:"paths,omitempty" jsonschema:"absolute globs of log files on this machine, such as /var/log/*.log; the folder itself has no wildcard"`
	Labels map[string]string `json:"labels,omitempty"`
}

func (c PromtailConfig) check() error {
	problems := []error{c.Common.check("promtail")}
	for _, p := range c.Paths {
		if !path.IsAbs(p) || strings.ContainsAny(path.Dir(p), "*?[{") || path.Dir(p) == "/" {
			problems = append(problems, sdk.ConfigProblem("promtail.paths", "%q is not an absolute glob in a folder without a wildcard, such as /var/log/*.log", p))
		}
	}
	return errors.Join(problems...)
}

func (g *group) promtail() container.Component {
	return named(g.component(promtailName, "Promtail", promtailPart), "start_promtail_activity", "stop_promtail_activity", "delete_promtail_activity")
}

func promtailPart(_ context.Context, c Config) (part, error) {
	if len(c.Promtail.Paths) == 0 {
		return part{}, sdk.NonRetryable(fmt.Errorf("nothing to read for Promtail: set paths in [%s.promtail], such as [\"/var/log/*.log\"]", settings))
	}
	var jobs []object
	var binds []container.Bind
	for i, p := range c.Promtail.Paths {
		dir := path.Dir(p)
		if b := (container.Bind{Source: dir, Path: promtailLogs + dir, ReadOnly: true}); !slices.Contains(binds, b) {
			binds = append(binds, b)
		}
		labels := object{"job": "promtail"}
		for k, v := range c.Promtail.Labels {
			labels[k] = v
		}
		labels["__path__"] = promtailLogs + p
		jobs = append(jobs, object{"job_name": fmt.Sprintf("files-%d", i+1), "static_configs": []object{{"targets": []string{"localhost"}, "labels": labels}}})
	}
	file, err := configFile(promtailConfigPath, object{
		"server":         object{"http_listen_port": promtailPort, "grpc_listen_port": 0, "log_level": "warn"},
		"positions":      object{"filename": promtailData + "/data/positions.yaml"},
		"clients":        []object{{"url": fmt.Sprintf("http://%s:%d/loki/api/v1/push", lokiName, lokiPort)}},
		"scrape_configs": jobs,
	})
	if err != nil {
		return part{}, err
	}
	return part{
		name: promtailName, table: "promtail", common: c.Promtail.Common,
		image: "grafana/promtail:3.5.7", root: true, caps: []string{"DAC_READ_SEARCH"}, // log files belong to many
		cmd: []string{"-config.file=" + promtailConfigPath}, files: []container.File{file}, binds: binds, data: promtailData,
		ports:  []port{{container: promtailPort}},
		verify: &container.Command{Cmd: []string{"-config.file=" + promtailConfigPath, "-check-syntax"}},
		ready: func(ctx context.Context, at container.Endpoints) error {
			return ready.HTTP("http://"+at.Addr(promtailPort)+"/ready", ready.HTTPOptions{})(ctx)
		},
	}, nil
}
