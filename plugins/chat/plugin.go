package chat

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/sdk"
)

const settings = "plugins.chat.config" // where Config is in orch.toml

// Plugin is the group as its binary serves it.
func Plugin(version string) sdk.Plugin {
	g := &group{}
	idempotent, ticking := sdk.Idempotent(), sdk.HeartbeatEvery(30*time.Second)
	return sdk.Plugin{
		Group: "chat", Name: "chat", Version: version,
		Doc:    "Builds, runs, checks, upgrades and removes the chat application with its Neo4j and AI proxy.",
		Config: sdk.Config(g.configure),
		Activities: slices.Concat(
			g.neo4jActivities(), // start_, stop_, delete_neo4j_dependency_activity
			[]sdk.ActivityDef{
				sdk.Activity("verify_cloudflare_dependency_activity", "Checks what the application needs of Cloudflare: connector, API token, tunnel.", g.verifyCloudflare, idempotent, ticking, sdk.Timeout(2*time.Minute)),
				sdk.Activity("build_chat_image_activity", "Builds the application's image from its context folder, unless that has not changed.", g.build, idempotent, ticking, sdk.Timeout(10*time.Minute)),
				sdk.Activity("run_chat_container_activity", "Runs the built image beside what serves.", g.run, idempotent, ticking, sdk.Timeout(5*time.Minute)),
				sdk.Activity("check_chat_health_activity", "Asks the new container until it is healthy, then lets it take over.", g.check, idempotent, ticking, sdk.Timeout(10*time.Minute)),
				sdk.Activity("stop_chat_container_activity", "Stops the application. Fine when it does not run.", g.stop, idempotent, ticking, sdk.Timeout(5*time.Minute)),
				sdk.Activity("delete_chat_container_activity", "Removes the application's containers; its volumes stay unless purge is set. Fine when there are none.", g.delete, idempotent, ticking, sdk.Timeout(5*time.Minute)),
				sdk.Activity("delete_chat_image_activity", "Removes the images that were built for the application and that no container uses. Fine when there are none.", g.deleteImage, idempotent, ticking, sdk.Timeout(5*time.Minute)),
			},
			g.aiProxy().Activities(), // start_, stop_, delete_ai_proxy_container
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
	if err := c.check(); err != nil {
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

// answering returns the engine, if it answers.
func (g *group) answering(ctx context.Context) (*container.Engine, error) {
	engine, err := g.docker.Engine()
	if err != nil {
		return nil, err
	}
	return engine, engine.Ping(ctx)
}
