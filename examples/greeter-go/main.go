// Command greeter is an Orch plugin as another team would write it: its own
// module, one activity, one setting.
package main

import (
	"context"
	"fmt"

	"github.com/orch-host/orch/sdk"
)

var version = "1.0.0" // set by -ldflags "-X main.version=..."

func main() { sdk.Serve(Plugin(version)) }

// Plugin describes the greeter.
func Plugin(version string) sdk.Plugin {
	g := &greeter{greeting: "Hello"}
	return sdk.Plugin{
		Name: "greeter", Version: version, Doc: "Greets people.",
		Config: sdk.Config(g.configure),
		Activities: []sdk.ActivityDef{
			sdk.Activity("greet", "Greets somebody.", g.greet, sdk.Idempotent()),
		},
	}
}

type greeter struct{ greeting string }

type settings struct {
	Greeting string `json:"greeting,omitempty" jsonschema:"The word to greet with; default Hello"`
}

func (g *greeter) configure(_ context.Context, s settings) error {
	if s.Greeting != "" {
		g.greeting = s.Greeting
	}
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
	return greeting{Message: g.greeting + ", " + p.Name + "!"}, nil
}
