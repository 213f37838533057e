// Command observability is the plugin that finds logs and ships them.
package main

import (
	"github.com/orch-host/orch/plugins/observability"
	"github.com/orch-host/orch/sdk"
	"github.com/orch-host/orch/sdk/tracing"
)

// version is set by the linker.
var version = "0.1.0-dev"

func main() { sdk.Serve(tracing.Plugin(observability.Plugin(version))) }
