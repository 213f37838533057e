// Devserver is Temporal for one machine: server, Web UI and SQLite in one
// binary. The host starts it as a child when temporal.mode is "embedded"; it
// also works on its own. It lives in its own Go module because it brings 130 MB
// and 1,700 packages that nobody else needs to carry.
//
// Build: go build -trimpath -ldflags "-s -w" -o ../bin/devserver .
//
// Not for production: SQLite is not a store that Temporal supports there. Use
// the compose stack with PostgreSQL.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/orch-host/orch/devserver/internal/options"
	"github.com/orch-host/orch/devserver/internal/server"
	uiversion "github.com/temporalio/ui-server/v2/server/version"
)

const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 1 && args[0] == "version" {
		fmt.Fprintf(stdout, "devserver: Temporal server %s, Web UI %s, %s %s/%s\n",
			server.Version, uiversion.UIVersion, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return exitOK
	}
	opts, err := options.Parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		fmt.Fprintln(stderr, "devserver:", err)
		return exitUsage
	}
	if err := serve(opts, stderr); err != nil {
		fmt.Fprintln(stderr, "devserver:", err)
		return exitFailed
	}
	return exitOK
}
