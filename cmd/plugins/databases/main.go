// Command databases is the plugin binary of the databases group.
package main

import (
	"github.com/orch-host/orch/plugins/databases"
	"github.com/orch-host/orch/sdk"
)

var version = "0.1.0-dev" // set with -ldflags "-X main.version=..."

func main() { sdk.Serve(databases.Plugin(version)) }
