package databases

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync/atomic"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/sdk"
)

const settings = "plugins.databases.config" // where Config is in orch.toml

// Config is the table [plugins.databases.config].
type Config struct {
	Bind   string                 `json:"bind,omitempty" jsonschema:"host IP address that the ports are bound to; default 127.0.0.1"`
	Docker container.DockerConfig `json:"docker,omitzero"`
	Neo4j  Neo4jConfig            `json:"neo4j,omitzero"`
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
	problems := []error{c.Neo4j.check(), c.Qdrant.check()}
	if c.Bind != "" && net.ParseIP(c.Bind) == nil {
		problems = append(problems, sdk.ConfigProblem("bind", "%q is not an IP address such as 127.0.0.1 or 0.0.0.0", c.Bind))
	}
	if err := errors.Join(problems...); err != nil {
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

// checkPort refuses what is no port; 0 is the default.
func checkPort(path string, port int) error {
	if port < 0 || port > 65535 {
		return sdk.ConfigProblem(path, "%d is not a port between 1 and 65535", port)
	}
	return nil
}

// checkMemory refuses what is no amount of memory.
func checkMemory(path, text string) error {
	if _, err := container.ParseMemory(text); err != nil {
		return sdk.ConfigProblem(path, "%v", err)
	}
	return nil
}
