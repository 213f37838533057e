package observability

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/plugins/internal/ready"
)

const (
	jaegerUI    = 16686
	jaegerAdmin = 14269 // health and metrics
	jaegerData  = "/var/lib/jaeger"
)

// JaegerConfig is the table [plugins.observability.config.jaeger].
type JaegerConfig struct {
	Common
	Port      int    `json:"port,omitempty" jsonschema:"port of the web interface and the query API on the host; default 16686"`
	URL       string `json:"url,omitempty" jsonschema:"its address as a Grafana that is not the stack's own reaches it; default http://localhost:16686, or the address in bind"`
	Retention string `json:"retention,omitempty" jsonschema:"age at which traces are deleted, such as 72h or 7d; default 7d"`
}

func (c JaegerConfig) check() error {
	return errors.Join(c.Common.check("jaeger"), container.CheckPort("jaeger.port", c.Port), checkURL("jaeger.url", c.URL), checkDuration("jaeger.retention", c.Retention))
}

func (g *group) jaeger() container.Component { return g.component(jaegerName, "Jaeger", jaegerPart) }

// jaegerPart keeps the traces in the volume: all-in-one's default is memory.
// Variables: the flags of cmd/all-in-one, github.com/jaegertracing/jaeger v1.76.
func jaegerPart(_ context.Context, c Config) (part, error) {
	data := jaegerData + "/data"
	return part{
		name: jaegerName, table: "jaeger", common: c.Jaeger.Common,
		image: "jaegertracing/all-in-one:1.76.0",
		env: map[string]string{
			"SPAN_STORAGE_TYPE": "badger", "BADGER_EPHEMERAL": "false",
			"BADGER_DIRECTORY_KEY": data + "/keys", "BADGER_DIRECTORY_VALUE": data + "/values",
			"BADGER_SPAN_STORE_TTL":         hours(cmp.Or(c.Jaeger.Retention, "7d")),
			"COLLECTOR_OTLP_ENABLED":        "true",
			"COLLECTOR_OTLP_GRPC_HOST_PORT": fmt.Sprintf("0.0.0.0:%d", otlpGRPC),
			"LOG_LEVEL":                     "warn",
		},
		data:  jaegerData,
		ports: []port{{container: jaegerUI, host: cmp.Or(c.Jaeger.Port, jaegerUI), setting: "port"}, {container: jaegerAdmin}},
		ready: func(ctx context.Context, at container.Endpoints) error {
			return ready.HTTP("http://"+at.Addr(jaegerAdmin)+"/", ready.HTTPOptions{})(ctx)
		},
		urls: []container.URL{{Name: "http", Scheme: "http", Port: jaegerUI}},
	}, nil
}
