package observability

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/plugins/internal/ready"
	"github.com/orch-host/orch/sdk"
)

const (
	lokiPort       = 3100
	lokiConfigPath = "/etc/loki/orch.yaml"
	lokiData       = "/var/lib/loki"
)

// LokiConfig is the table [plugins.observability.config.loki].
type LokiConfig struct {
	Common
	Port      int      `json:"port,omitempty" jsonschema:"port of the HTTP API on the host; default 3100"`
	URL       string   `json:"url,omitempty" jsonschema:"Loki's address as a Grafana that is not the stack's own reaches it; default http://localhost:3100, or the address in bind"`
	Retention string   `json:"retention,omitempty" jsonschema:"age at which logs are deleted, and beyond which they are refused, such as 720h or 30d; default 30d"`
	Labels    []string `json:"labels,omitempty" jsonschema:"resource attributes that become index labels beside service.name and those of ingest.labels and rules; each has few values; default host.name, container.name, log.file.name"`
	IngestMB  int      `json:"ingest_mb,omitempty" jsonschema:"megabytes per second that are taken; default 256"`
}

func (c LokiConfig) check() error {
	problems := []error{c.Common.check("loki"), container.CheckPort("loki.port", c.Port), checkURL("loki.url", c.URL), checkDuration("loki.retention", c.Retention)}
	if c.IngestMB < 0 {
		problems = append(problems, sdk.ConfigProblem("loki.ingest_mb", "cannot be negative"))
	}
	if slices.Contains(c.Labels, "") {
		problems = append(problems, sdk.ConfigProblem("loki.labels", "a label without a name"))
	}
	return errors.Join(problems...)
}

func (g *group) loki() container.Component {
	return named(g.component(lokiName, "Loki", lokiPart), "start_loki_activity", "stop_loki_activity", "delete_loki_activity")
}

func lokiPart(_ context.Context, c Config) (part, error) {
	file, err := configFile(lokiConfigPath, c.lokiConfig())
	if err != nil {
		return part{}, err
	}
	return part{
		name: lokiName, table: "loki", common: c.Loki.Common,
		image: "grafana/loki:3.7.8",
		cmd:   []string{"-config.file=" + lokiConfigPath}, files: []container.File{file}, data: lokiData,
		ports:  []port{{container: lokiPort, host: cmp.Or(c.Loki.Port, lokiPort), setting: "port"}},
		verify: &container.Command{Cmd: []string{"-config.file=" + lokiConfigPath, "-verify-config"}},
		ready: func(ctx context.Context, at container.Endpoints) error {
			return ready.HTTP("http://"+at.Addr(lokiPort)+"/ready", ready.HTTPOptions{})(ctx)
		},
		urls: []container.URL{{Name: "http", Scheme: "http", Port: lokiPort}},
	}, nil
}

// lokiConfig is for one node that keeps its data in its volume. Its defaults
// are for clusters: they wait for rings to settle, take 4 MB/s, and report home.
// Keys: grafana.com/docs/loki/latest/configure.
func (c Config) lokiConfig() object {
	data := lokiData + "/data"
	mb := cmp.Or(c.Loki.IngestMB, 256)
	retention := hours(cmp.Or(c.Loki.Retention, "30d"))
	limits := object{
		"allow_structured_metadata": true, "volume_enabled": true,
		"retention_period": retention, "reject_old_samples": true, "reject_old_samples_max_age": retention,
		"ingestion_rate_mb": mb, "ingestion_burst_size_mb": 2 * mb,
		"per_stream_rate_limit": fmt.Sprintf("%dMB", mb), "per_stream_rate_limit_burst": fmt.Sprintf("%dMB", 2*mb),
	}
	if labels := c.indexLabels(); len(labels) > 0 { // Loki refuses an empty list
		limits["otlp_config"] = object{"resource_attributes": object{"attributes_config": []object{
			{"action": "index_label", "attributes": labels},
		}}}
	}
	return object{
		"auth_enabled": false,
		"analytics":    object{"reporting_enabled": false},
		"server":       object{"http_listen_port": lokiPort, "grpc_listen_port": 9095, "log_level": "warn"},
		"common": object{
			"instance_addr": "127.0.0.1", "path_prefix": data, "replication_factor": 1, "ring": object{"kvstore": object{"store": "inmemory"}},
			"storage": object{"filesystem": object{"chunks_directory": data + "/chunks", "rules_directory": data + "/rules"}},
		},
		"ingester":        object{"lifecycler": object{"min_ready_duration": "0s", "final_sleep": "0s"}, "wal": object{"enabled": true, "dir": data + "/wal"}},
		"frontend_worker": object{"dns_lookup_duration": "200ms"},
		"frontend":        object{"scheduler_dns_lookup_period": "200ms"},
		"compactor":       object{"working_directory": data + "/compactor", "retention_enabled": true, "delete_request_store": "filesystem"},
		"schema_config": object{"configs": []object{{
			"from": "2024-01-01", "store": "tsdb", "object_store": "filesystem", "schema": "v13", "index": object{"prefix": "index_", "period": "24h"},
		}}},
		"limits_config": limits,
	}
}

// indexLabels are the resource attributes that Loki's streams are told apart
// by, beside those of its own defaults, which hold service.name.
func (c Config) indexLabels() []string {
	labels := slices.Clone(c.Loki.Labels)
	if labels == nil {
		labels = []string{"host.name", "container.name", "log.file.name"}
	}
	labels = slices.AppendSeq(labels, maps.Keys(attributes(c.Ingest.Labels)))
	for _, r := range c.Rules {
		labels = slices.AppendSeq(labels, maps.Keys(attributes(r.Labels)))
	}
	slices.Sort(labels)
	labels = slices.Compact(labels)
	return slices.DeleteFunc(labels, func(l string) bool { return l == "service.name" })
}

// hours turns days and weeks, which Loki's -verify-config takes and some of its keys do not, into hours.
func hours(text string) string {
	for unit, n := range map[string]int{"d": 24, "w": 7 * 24} {
		if count, ok := strings.CutSuffix(text, unit); ok {
			var v int
			if _, err := fmt.Sscan(count, &v); err == nil {
				return fmt.Sprintf("%dh", v*n)
			}
		}
	}
	return text
}
