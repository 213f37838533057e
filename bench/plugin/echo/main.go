// Command echo is the plugin side of the benchmark: it returns what it is given.
package main

import (
	"context"

	"github.com/orch-host/orch/sdk"
)

type data struct {
	Data string `json:"data"`
}

func main() {
	sdk.Serve(sdk.Plugin{Name: "bench", Version: "1.0.0", Activities: []sdk.ActivityDef{
		sdk.Activity("bench_plugin", "Returns its input.", func(_ context.Context, d data) (data, error) { return d, nil }, sdk.Idempotent()),
	}})
}
