package chat

import (
	"cmp"
	"context"
	"time"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/plugins/internal/neo4j"
	"github.com/orch-host/orch/plugins/internal/password"
	"github.com/orch-host/orch/sdk"
)

// neo4jAddress is where the application finds Neo4j, in the service's network.
const neo4jAddress = "neo4j:7687"

func (g *group) neo4j() container.Component {
	return container.Component{
		Group: &g.docker, Name: "neo4j", Title: "Neo4j",
		StartName: "start_neo4j_dependency_activity", StopName: "stop_neo4j_dependency_activity", DeleteName: "delete_neo4j_dependency_activity",
		Plan: func(ctx context.Context, service string) (container.Plan, error) {
			c := g.current()
			return neo4j.Plan(c.Neo4j, neo4j.Options{Settings: settings, Bind: c.Bind, Advertise: neo4jAddress}, service, neo4j.PasswordFile(ctx, service))
		},
		Purged: func(ctx context.Context, service string) error {
			return password.Forget(neo4j.PasswordFile(ctx, service))
		},
	}
}

// neo4jActivities are those of the component; its start also tells whether this
// run of the workflow made the container, so that a run that fails takes back
// its own and nothing else.
func (g *group) neo4jActivities() []sdk.ActivityDef {
	component := g.neo4j()
	all := component.Activities()
	for i, a := range all {
		if a.Name() == component.StartName {
			all[i] = sdk.Activity(a.Name(), "Makes Neo4j run as configured in the application's network and waits until it is ready. What is as it should be is left alone.",
				g.startNeo4j, sdk.Idempotent(), sdk.Timeout(5*time.Minute), sdk.HeartbeatEvery(30*time.Second))
		}
	}
	return all
}

// DependencyOutput of the start of a dependency.
type DependencyOutput struct {
	container.StartOutput
	Created bool `json:"created" jsonschema:"made by this run of the workflow: an earlier attempt of the step counts"`
}

func (g *group) startNeo4j(ctx context.Context, in container.StartInput) (DependencyOutput, error) {
	service := cmp.Or(in.ServiceName, sdk.GetInfo(ctx).Service)
	absent, err := g.absentBefore(ctx, service, "neo4j")
	if err != nil {
		return DependencyOutput{}, container.Failure(err)
	}
	out, err := g.neo4j().Start(ctx, in)
	return DependencyOutput{out, absent}, err
}

// absentBefore tells whether the component had no container before the first
// attempt of this activity. Attempts pass it on by heartbeat: what one that was
// killed has made is still this run's.
func (g *group) absentBefore(ctx context.Context, service, component string) (bool, error) {
	type note struct {
		Absent *bool `json:"absent_before"`
	}
	if before, ok := sdk.LastHeartbeat[note](ctx); ok && before.Absent != nil {
		sdk.Heartbeat(ctx, before)
		return *before.Absent, nil
	}
	engine, err := g.answering(ctx)
	if err != nil {
		return false, err
	}
	found, err := engine.List(ctx, service, component)
	if err != nil {
		return false, err
	}
	absent := len(found) == 0
	sdk.Heartbeat(ctx, note{&absent})
	return absent, nil
}
