// Command chat is the plugin binary of the chat group. Started as "chat front"
// it is the proxy before the chat application instead, which runs in a container
// made from this binary.
package main

import (
	"os"

	"github.com/orch-host/orch/plugins/chat"
	"github.com/orch-host/orch/plugins/chat/front"
	"github.com/orch-host/orch/sdk"
	"github.com/orch-host/orch/sdk/tracing"
)

var version = "0.1.0-dev" // set with -ldflags "-X main.version=..."

func main() {
	if len(os.Args) > 1 && os.Args[1] == "front" {
		os.Exit(front.Main(os.Args[2:]))
	}
	sdk.Serve(tracing.Plugin(chat.Plugin(version)))
}
