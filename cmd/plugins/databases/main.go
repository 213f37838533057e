// Command databases is the plugin binary of the databases group.
package main

import (
	"github.com/orch-host/orch/plugins/databases"
	"github.com/orch-host/orch/sdk"
	"github.com/orch-host/orch/sdk/tracing"
)

var version = "0.1.0-dev" // set with -ldflags "-X main.version=..."

func main() { sdk.Serve(tracing.Plugin(databases.Plugin(version))) }
