// Command greeter is an Orch plugin as another team would write it: its own
// module, two activities, one setting.
package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/orch-host/orch/sdk"
)

var version = "1.0.0" // set by -ldflags "-X main.version=..."

func main() { sdk.Serve(Plugin(version)) }

// Plugin describes the greeter.
func Plugin(version string) sdk.Plugin {
	g := &greeter{}
	return sdk.Plugin{
		Name: "greeter", Version: version, Doc: "Greets people.",
		Config: sdk.Config(g.configure),
		Activities: []sdk.ActivityDef{
			sdk.Activity("greet", "Greets somebody.", g.greet, sdk.Idempotent()),
			sdk.Activity("greet_all", "Greets one after the other, and goes on where an attempt before has stopped.", g.greetAll,
				sdk.Idempotent(), sdk.HeartbeatEvery(10*time.Second)),
		},
	}
}

// greeter is what the activities share. A new configuration may come while
// they run.
type greeter struct{ word atomic.Pointer[string] }

type settings struct {
	Greeting string `json:"greeting,omitempty" jsonschema:"The word to greet with; default Hello"`
}

func (g *greeter) configure(_ context.Context, s settings) error {
	if s.Greeting == "" {
		s.Greeting = "Hello"
	}
	g.word.Store(&s.Greeting)
	return nil
}

type person struct {
	Name string `json:"name" jsonschema:"Who is greeted"`
}

type greeting struct {
	Message string `json:"message"`
}

func (g *greeter) greet(ctx context.Context, p person) (greeting, error) {
	if p.Name == "" {
		return greeting{}, sdk.NonRetryable(fmt.Errorf("there is nobody to greet: name is empty"))
	}
	sdk.Logger(ctx).Info("greeting", "name", p.Name)
	return greeting{Message: *g.word.Load() + ", " + p.Name + "!"}, nil
}

type people struct {
	Names []string     `json:"names" jsonschema:"Who is greeted, in this order"`
	Pause sdk.Duration `json:"pause,omitempty" jsonschema:"Time between two greetings"`
}

type greetings struct {
	Messages []string `json:"messages"`
}

// greetAll keeps what it has done in its heartbeat, so that the next attempt
// does not greet anybody twice.
func (g *greeter) greetAll(ctx context.Context, p people) (greetings, error) {
	done, _ := sdk.LastHeartbeat[greetings](ctx)
	for i := len(done.Messages); i < len(p.Names); i++ {
		if i > 0 {
			select {
			case <-time.After(time.Duration(p.Pause)):
			case <-ctx.Done():
				return greetings{}, ctx.Err()
			}
		}
		done.Messages = append(done.Messages, *g.word.Load()+", "+p.Names[i]+"!")
		sdk.Heartbeat(ctx, done)
		sdk.Progress(ctx, "greeted "+p.Names[i], int64(i+1), int64(len(p.Names)))
	}
	return done, nil
}
