package databases

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/plugins/internal/neo4j"
	"github.com/orch-host/orch/sdk"
)

const settings = "plugins.databases.config" // where Config is in orch.toml

// Config is the table [plugins.databases.config].
type Config struct {
	Bind   string                 `json:"bind,omitempty" jsonschema:"host IP address that the ports are bound to; default 127.0.0.1"`
	Docker container.DockerConfig `json:"docker,omitzero"`
	Neo4j  neo4j.Config           `json:"neo4j,omitzero"`
	Qdrant QdrantConfig           `json:"qdrant,omitzero"`
}

// Plugin is the group as its binary serves it.
func Plugin(version string) sdk.Plugin {
	g := &group{}
	return sdk.Plugin{
		Group: "databases", Name: "databases", Version: version,
		Doc:    "Neo4j and Qdrant as containers that keep their data.",
		Config: sdk.Config(g.configure),
		Activities: slices.Concat(
			g.neo4j().Activities(),  // start_, stop_, delete_neo4j_container
			g.qdrant().Activities(), // start_, stop_, delete_qdrant_container
		),
		Close: g.docker.Close,
	}
}

// group is the plugin's state: the configuration in force and the engine.
type group struct {
	docker container.Group
	config atomic.Pointer[Config]
}

// configure takes over a configuration that can work, or none of it.
func (g *group) configure(_ context.Context, c Config) error {
	if err := errors.Join(container.CheckBind("bind", c.Bind), c.Neo4j.Check(), c.Qdrant.check()); err != nil {
		return err
	}
	if err := g.docker.Configure(c.Docker, settings+".docker"); err != nil {
		return err
	}
	g.config.Store(&c)
	return nil
}

// current is the configuration in force; all defaults before the first one.
func (g *group) current() Config {
	if c := g.config.Load(); c != nil {
		return *c
	}
	return Config{}
}
