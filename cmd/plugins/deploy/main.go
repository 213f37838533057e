// Command deploy is the plugin binary that deploys applications to Fly.io, Railway and Render.
package main

import (
	"github.com/orch-host/orch/plugins/deploy"
	"github.com/orch-host/orch/sdk"
	"github.com/orch-host/orch/sdk/tracing"
)

// version is set by the linker.
var version = "0.1.0"

func main() { sdk.Serve(tracing.Plugin(deploy.Plugin(version))) }
