package observability

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/sdk"
)

const settings = "plugins.observability.config" // where Config is in orch.toml

// Config is the table [plugins.observability.config].
type Config struct {
	Docker  container.DockerConfig `json:"docker,omitzero"`
	Grafana GrafanaConfig          `json:"grafana,omitzero"`
	Loki    LokiConfig             `json:"loki,omitzero"`
	Ingest  Ingest                 `json:"ingest,omitzero" jsonschema:"defaults of every log ingest; the workflow's params go before them"`
	Ship    ShipConfig             `json:"ship,omitzero"`
	Rules   []LabelRule            `json:"rules,omitempty" jsonschema:"labels for the files whose path matches; later rules win"`
}

// LokiConfig says where Loki is.
type LokiConfig struct {
	URL string `json:"url,omitempty" jsonschema:"Loki's address as Grafana reaches it; default http://localhost:3100"`
}

// Plugin is the group as its binary serves it.
func Plugin(version string) sdk.Plugin {
	g := &group{}
	return sdk.Plugin{
		Group: "observability", Name: "observability", Version: version,
		Doc:        "Finds the logs of applications and containers, labels them and ships them over OTLP without losing a line.",
		Config:     sdk.Config(g.configure),
		Activities: g.ingest(),
		Close: func(ctx context.Context) error {
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
	problems = append(problems, c.Ship.check(), c.Grafana.check(), checkURL("loki.url", c.Loki.URL))
	if err := errors.Join(problems...); err != nil {
		return err
	}
	if err := g.docker.Configure(c.Docker, settings+".docker"); err != nil {
		return err
	}
	g.config.Store(&c)
	return g.keeper.open(sdk.StateDir(ctx))
}

// current is the configuration in force; all defaults before the first one. Its maps and lists are the caller's.
func (g *group) current() Config {
	c := Config{}
	if p := g.config.Load(); p != nil {
		c = *p
	}
	c.Ingest.Labels = maps.Clone(c.Ingest.Labels)
	c.Ingest.Roots, c.Ingest.Include, c.Ingest.Exclude = slices.Clone(c.Ingest.Roots), slices.Clone(c.Ingest.Include), slices.Clone(c.Ingest.Exclude)
	return c
}
