package observability

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/plugins/internal/ready"
	"github.com/orch-host/orch/sdk"
)

// Ports of the collector's container.
const (
	otlpGRPC           = 4317
	otlpHTTP           = 4318
	collectorTelemetry = 8888 // its own metrics
	collectorMetrics   = 8889 // the metrics that it was sent
	collectorHealth    = 13133
)

const (
	collectorConfig = "/etc/otelcol/orch.yaml"
	collectorExtra  = "/etc/otelcol/extra.yaml"
	collectorData   = "/var/lib/otelcol"
)

// CollectorConfig is the table [plugins.observability.config.collector].
type CollectorConfig struct {
	Common
	GRPCPort       int    `json:"grpc_port,omitempty" jsonschema:"port on the host that takes OTLP over gRPC; default 4317"`
	HTTPPort       int    `json:"http_port,omitempty" jsonschema:"port on the host that takes OTLP over HTTP; default 4318"`
	LokiURL        string `json:"loki_url,omitempty" jsonschema:"OTLP endpoint of the Loki that gets the logs; default the stack's own, http://loki:3100/otlp"`
	JaegerEndpoint string `json:"jaeger_endpoint,omitempty" jsonschema:"host:port of the OTLP/gRPC receiver that gets the traces; default the stack's own, jaeger:4317"`
	QueueSize      int    `json:"queue_size,omitempty" jsonschema:"requests that wait on disk while Loki does not take them; then senders wait; default 5000"`
	MemoryLimitMiB int    `json:"memory_limit_mib,omitempty" jsonschema:"memory at which the collector refuses more until it has caught up; default 512"`
	ExtraConfig    string `json:"extra_config,omitempty" jsonschema:"path of a YAML file that is merged over the generated configuration"`
}

func (c CollectorConfig) check() error {
	problems := []error{
		c.Common.check("collector"),
		container.CheckPort("collector.grpc_port", c.GRPCPort), container.CheckPort("collector.http_port", c.HTTPPort),
		checkURL("collector.loki_url", c.LokiURL),
	}
	if c.QueueSize < 0 {
		problems = append(problems, sdk.ConfigProblem("collector.queue_size", "cannot be negative"))
	}
	if c.MemoryLimitMiB < 0 || c.MemoryLimitMiB > 0 && c.MemoryLimitMiB < 32 {
		problems = append(problems, sdk.ConfigProblem("collector.memory_limit_mib", "%d is too little to work with: at least 32", c.MemoryLimitMiB))
	}
	if p := c.ExtraConfig; p != "" && !filepath.IsAbs(p) {
		problems = append(problems, sdk.ConfigProblem("collector.extra_config", "%q is not an absolute path", p))
	}
	return errors.Join(problems...)
}

func (g *group) collector() container.Component {
	c := g.component(collectorName, "the OpenTelemetry Collector", collectorPart)
	c.KeptBy = "LogsPipelineWorkflow"
	return named(c, "start_opentelemetry_collector", "stop_opentelemetry_collector", "delete_opentelemetry_collector")
}

func collectorPart(ctx context.Context, c Config) (part, error) {
	ingests, err := loadIngests(sdk.StateDir(ctx))
	if err != nil {
		return part{}, err
	}
	return collectorWith(c, ingests)
}

// collectorWith is the collector that does what the ingests ask for, too. Its
// process is root without capabilities, so that it may read the log files that
// belong to root; files of others take one capability.
func collectorWith(c Config, ingests []ingestion) (part, error) {
	config := c.Collector.generate()
	if err := mergeIngests(config, ingests); err != nil {
		return part{}, err
	}
	folders, err := readFolders(config)
	if err != nil {
		return part{}, err
	}
	var binds []container.Bind
	var caps []string
	for _, f := range folders {
		binds, caps = append(binds, container.Bind{Source: f, Path: f, ReadOnly: true}), []string{"DAC_READ_SEARCH"}
	}
	digest, err := stamp(config)
	if err != nil {
		return part{}, err
	}
	file, err := configFile(collectorConfig, config)
	if err != nil {
		return part{}, err
	}
	file.Live = true
	files, args := []container.File{file}, []string{"--config=" + collectorConfig}
	if path := c.Collector.ExtraConfig; path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return part{}, sdk.NonRetryable(fmt.Errorf("%s.collector.extra_config: %w", settings, err))
		}
		files, args = append(files, container.File{Path: collectorExtra, Content: text}), append(args, "--config="+collectorExtra)
	}
	healthy := func(ctx context.Context, at container.Endpoints) error {
		return ready.HTTP("http://"+at.Addr(collectorHealth)+"/", ready.HTTPOptions{})(ctx)
	}
	return part{
		name: collectorName, table: "collector", common: c.Collector.Common,
		image: "otel/opentelemetry-collector-contrib:0.155.0",
		cmd:   args, files: files, data: collectorData, root: true, caps: caps, binds: binds, hosts: []string{"host.docker.internal:host-gateway"},
		ports: []port{
			{container: otlpGRPC, host: cmp.Or(c.Collector.GRPCPort, otlpGRPC), setting: "grpc_port"},
			{container: otlpHTTP, host: cmp.Or(c.Collector.HTTPPort, otlpHTTP), setting: "http_port"},
			{container: collectorHealth}, {container: collectorTelemetry},
		},
		verify: &container.Command{Cmd: append([]string{"validate"}, args...)},
		ready:  healthy,
		reload: func(ctx context.Context, r container.Running) error {
			if err := r.Signal(ctx, "SIGHUP"); err != nil {
				return err
			}
			return ready.Poll(ctx, ready.HTTP("http://"+r.At.Addr(collectorTelemetry)+"/metrics", ready.HTTPOptions{Contains: digest}),
				ready.PollOptions{Every: 100 * time.Millisecond, Timeout: 20 * time.Second, What: "the collector with its new configuration"})
		},
		urls: []container.URL{{Name: "otlp_grpc", Port: otlpGRPC}, {Name: "otlp_http", Scheme: "http", Port: otlpHTTP}},
	}, nil
}

// generate makes the configuration: OTLP in; logs to Loki, traces to Jaeger and
// as request metrics to Prometheus, metrics to Prometheus. Logs wait on disk,
// flushed before the sender gets its answer, for as long as Loki is away: an
// answer of this collector is a promise. Component names are the ones that
// older and newer collectors both know.
func (c CollectorConfig) generate() object {
	keep := object{"enabled": true, "initial_interval": "500ms", "max_interval": "10s", "max_elapsed_time": "0s"}
	plain := object{"insecure": true}
	return object{
		"extensions": object{
			"health_check": object{"endpoint": fmt.Sprintf("0.0.0.0:%d", collectorHealth)},
			"file_storage": object{
				"directory": collectorData + "/data/queue", "create_directory": true, "fsync": true,
				"compaction": object{"directory": collectorData + "/data/queue", "on_start": true, "on_rebound": true, "cleanup_on_start": true},
			},
		},
		"receivers": object{"otlp": object{"protocols": object{
			"grpc": object{"endpoint": fmt.Sprintf("0.0.0.0:%d", otlpGRPC)},
			"http": object{"endpoint": fmt.Sprintf("0.0.0.0:%d", otlpHTTP)},
		}}},
		"processors": object{
			"memory_limiter": object{"check_interval": "1s", "limit_mib": cmp.Or(c.MemoryLimitMiB, 512)},
			"batch":          object{"send_batch_size": 1024, "timeout": "1s"},
		},
		"connectors": object{"spanmetrics": object{
			"metrics_flush_interval": "15s",
			"histogram":              object{"explicit": object{"buckets": []string{"5ms", "10ms", "25ms", "50ms", "100ms", "250ms", "500ms", "1s", "2500ms", "5s", "10s"}}},
			"dimensions":             []object{{"name": "http.request.method"}, {"name": "http.response.status_code"}},
		}},
		"exporters": object{
			"otlphttp/loki": object{
				"endpoint": cmp.Or(c.LokiURL, fmt.Sprintf("http://%s:%d/otlp", lokiName, lokiPort)), "tls": plain, "retry_on_failure": keep,
				"sending_queue": object{
					"enabled": true, "storage": "file_storage", "queue_size": cmp.Or(c.QueueSize, 5000), "block_on_overflow": true,
					"batch": object{"min_size": 1000, "max_size": 5000, "flush_timeout": "200ms", "sizer": "items"},
				},
			},
			"otlp/jaeger": object{
				"endpoint": cmp.Or(c.JaegerEndpoint, fmt.Sprintf("%s:%d", jaegerName, otlpGRPC)), "tls": plain, "retry_on_failure": keep,
				"sending_queue": object{"enabled": true, "storage": "file_storage", "queue_size": 1000},
			},
			"prometheus": object{"endpoint": fmt.Sprintf("0.0.0.0:%d", collectorMetrics), "resource_to_telemetry_conversion": object{"enabled": true}},
		},
		"service": object{
			"extensions": []string{"health_check", "file_storage"},
			"telemetry": object{"metrics": object{"readers": []object{{"pull": object{"exporter": object{"prometheus": object{
				"host": "0.0.0.0", "port": collectorTelemetry}}}}}}},
			"pipelines": object{
				"logs":    object{"receivers": []string{"otlp"}, "processors": []string{"memory_limiter"}, "exporters": []string{"otlphttp/loki"}},
				"traces":  object{"receivers": []string{"otlp"}, "processors": []string{"memory_limiter", "batch"}, "exporters": []string{"otlp/jaeger", "spanmetrics"}},
				"metrics": object{"receivers": []string{"otlp", "spanmetrics"}, "processors": []string{"memory_limiter", "batch"}, "exporters": []string{"prometheus"}},
			},
		},
	}
}

// stamp puts a digest of the configuration into it, where the collector's own
// metrics show which one it has taken up.
func stamp(config object) (string, error) {
	text, err := json.Marshal(config) // keys in order
	if err != nil {
		return "", fmt.Errorf("digest of the collector's configuration: %w", err)
	}
	sum := sha256.Sum256(text)
	digest := hex.EncodeToString(sum[:8])
	telemetry, _ := config["service"].(object)["telemetry"].(object)
	telemetry["resource"] = object{"orch.config": digest}
	return digest, nil
}
