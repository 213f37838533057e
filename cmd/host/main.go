// Command host is Orch: it runs durable workflows whose activities are done by
// plugins. "host help" lists the commands.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// version is set by -ldflags "-X main.version=...".
var version = "0.1.0-dev"

// Exit codes. Scripts may rely on them.
const (
	exitOK     = 0
	exitFailed = 1 // the service or activity failed, or was cancelled
	exitUsage  = 2 // the command line or the configuration is wrong
	exitAbsent = 3 // no host, no Temporal, or nobody polls the queue
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	cmd := newRoot()
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var silent *shownError
	if !errors.As(err, &silent) {
		fmt.Fprintln(os.Stderr, "host: "+err.Error())
	}
	return exitCode(err)
}
