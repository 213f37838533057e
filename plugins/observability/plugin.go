package observability

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/sdk"
	"github.com/orch-host/orch/sdk/metrics"
)

const settings = "plugins.observability.config" // where Config is in orch.toml

// Config is the table [plugins.observability.config].
type Config struct {
	Docker     container.DockerConfig `json:"docker,omitzero"`
	Stack      string                 `json:"stack,omitempty" jsonschema:"name that the components' containers, volumes and network begin with; the services share them; default observability"`
	Bind       string                 `json:"bind,omitempty" jsonschema:"host IP address that the components' ports are bound to; default 127.0.0.1"`
	Collector  CollectorConfig        `json:"collector,omitzero"`
	Loki       LokiConfig             `json:"loki,omitzero"`
	Prometheus PrometheusConfig       `json:"prometheus,omitzero"`
	Jaeger     JaegerConfig           `json:"jaeger,omitzero"`
	Grafana    GrafanaConfig          `json:"grafana,omitzero"`
	Promtail   PromtailConfig         `json:"promtail,omitzero"`

	Ingest Ingest      `json:"ingest,omitzero" jsonschema:"defaults of every log ingest; the workflow's params go before them"`
	Ship   ShipConfig  `json:"ship,omitzero"`
	Rules  []LabelRule `json:"rules,omitempty" jsonschema:"labels for the files whose path matches; later rules win"`
}

// Plugin is the group as its binary serves it.
func Plugin(version string) sdk.Plugin {
	g := &group{}
	return sdk.Plugin{
		Group: "observability", Name: "observability", Version: version,
		Doc:        "Collector, Loki, Prometheus, Jaeger, Grafana and Promtail as containers; finds, labels and ships logs without losing a line.",
		Config:     sdk.Config(g.configure),
		Activities: slices.Concat(g.stack(), g.ingest()),
		Close: func(ctx context.Context) error {
			g.pushing.Lock()
			g.stopPushing()
			g.pushing.Unlock()
			return errors.Join(g.keeper.close(ctx), g.docker.Close(ctx))
		},
	}
}

// group is the plugin's state: the configuration in force, the engine and the shipments.
type group struct {
	docker   container.Group
	config   atomic.Pointer[Config]
	keeper   keeper
	enriched enriched
	ingests  sync.Mutex // held while a piece of the collector's configuration changes

	pushing  sync.Mutex // held while the pusher changes
	pusher   *metrics.Pusher
	pushedTo string
}

// configure takes over a configuration that can work, or none of it, and takes up the shipments.
func (g *group) configure(ctx context.Context, c Config) error {
	var problems []error
	for _, p := range c.Ingest.problems() {
		problems = append(problems, sdk.ConfigProblem("ingest."+p.key, "%s", p.text))
	}
	for i, r := range c.Rules {
		if err := checkGlob(r.Match); err != nil || r.Match == "" {
			problems = append(problems, sdk.ConfigProblem("rules", "rule %d: match %q is not a glob such as /var/log/**/*.log", i+1, r.Match))
		}
	}
	problems = append(problems, c.Ship.check(), container.CheckBind("bind", c.Bind), c.Collector.check(), c.Loki.check(),
		c.Prometheus.check(), c.Jaeger.check(), c.Grafana.check(), c.Promtail.check())
	if c.Stack != "" && !stackRE.MatchString(c.Stack) {
		problems = append(problems, sdk.ConfigProblem("stack", "%q cannot begin a container's name: want letters, digits, \"_\", \".\" or \"-\"", c.Stack))
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	if err := g.docker.Configure(c.Docker, settings+".docker"); err != nil {
		return err
	}
	err := g.keeper.open(sdk.StateDir(ctx))
	if err == nil {
		err = g.pushMetrics(c)
	}
	if err != nil {
		return errors.Join(err, g.docker.Configure(g.current().Docker, settings+".docker"))
	}
	g.config.Store(&c)
	return nil
}

// current is the configuration in force; all defaults before the first one. What its ingest refers to is the caller's.
func (g *group) current() Config {
	c := Config{}
	if p := g.config.Load(); p != nil {
		c = *p
	}
	c.Ingest = c.Ingest.clone()
	return c
}
