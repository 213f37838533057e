package main

import (
	"errors"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/admin"
	"github.com/orch-host/orch/hostcore/connection"
	"github.com/orch-host/orch/hostcore/executor"
)

// shownError is a failure that the command's own output has already told.
type shownError struct{ code int }

func (e *shownError) Error() string { return "failed" }

// usageError is a command line that makes no sense.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

// exitCode maps an error to the code that scripts see.
func exitCode(err error) int {
	var shown *shownError
	if errors.As(err, &shown) {
		return shown.code
	}
	var usage *usageError
	var problems config.Problems
	var unknown *executor.UnknownServiceError
	if errors.As(err, &usage) || errors.As(err, &problems) || errors.As(err, &unknown) {
		return exitUsage
	}
	var notRunning *admin.NotRunningError
	var unreachable *connection.UnreachableError
	var notPolled *executor.NotPolledError
	if errors.As(err, &notRunning) || errors.As(err, &unreachable) || errors.As(err, &notPolled) {
		return exitAbsent
	}
	return exitFailed
}
