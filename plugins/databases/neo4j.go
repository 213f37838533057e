package databases

import (
	"context"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/plugins/internal/neo4j"
	"github.com/orch-host/orch/plugins/internal/password"
)

func (g *group) neo4j() container.Component {
	return container.Component{
		Group: &g.docker, Name: "neo4j", Title: "Neo4j",
		Plan: func(ctx context.Context, service string) (container.Plan, error) {
			c := g.current()
			return neo4j.Plan(c.Neo4j, neo4j.Options{
				Settings: settings, Bind: c.Bind, HTTPPort: neo4j.HTTPPort, BoltPort: neo4j.BoltPort,
			}, service, neo4j.PasswordFile(ctx, service))
		},
		Purged: func(ctx context.Context, service string) error {
			return password.Forget(neo4j.PasswordFile(ctx, service))
		},
	}
}
