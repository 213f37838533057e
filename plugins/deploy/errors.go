package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/orch-host/orch/plugins/deploy/internal/httpapi"
	"github.com/orch-host/orch/sdk"
)

// Error types beside those of httpapi.Kind. A workflow decides by them.
const (
	typeAmbiguous      = "Ambiguous"         // several objects match, and guessing would deploy over the wrong one
	typeDeployFailed   = "DeployFailed"      // the provider's verdict; details hold the last log lines
	typeSuperseded     = "Superseded"        // another deployment replaced this one
	typeStillDeploying = "StillDeploying"    // no verdict yet; the next attempt waits on
	typeUnhealthy      = "Unhealthy"         // the deployed URL does not answer well
	typeNothingBefore  = "NoPreviousVersion" // there was an earlier version, and it cannot be brought back
	typeNotConfigured  = "NotConfigured"     // a token is missing
	typeDockerError    = "DockerError"       // the local Docker failed
	typeSecretInFiles  = "SecretInFiles"     // a file to be pushed holds a secret
)

// FailureDetails travel with a DeployFailed.
type FailureDetails struct {
	Platform     string   `json:"platform"`
	DeploymentID string   `json:"deployment_id,omitempty"`
	Status       string   `json:"status,omitempty"`
	Logs         []string `json:"logs,omitempty"` // the last 100 lines, redacted
}

// fail turns any error into what a workflow decides by. One table for all providers: httpapi.Kind says which class it
// is and whether another attempt can help.
func fail(err error) error {
	var ours *sdk.Error
	if err == nil || errors.As(err, &ours) {
		return err
	}
	var e *httpapi.Error
	if errors.As(err, &e) {
		f := sdk.Fail(string(e.Kind), "%w", err)
		f.NonRetryable = !e.Kind.Retryable()
		f.RetryAfter = e.RetryAfter
		return f
	}
	return err
}

func invalid(format string, args ...any) error {
	f := sdk.Fail(string(httpapi.Invalid), format, args...)
	f.NonRetryable = true
	return f
}

func final(typ, format string, args ...any) error {
	f := sdk.Fail(typ, format, args...)
	f.NonRetryable = true
	return f
}

func notConfigured(key string) error {
	return final(typeNotConfigured, "no credentials: set %s in [plugins.deploy.config], e.g. %s = \"env:NAME\"", key, key)
}

// deployFailed is the provider's verdict with the end of its logs.
func (s *settings) deployFailed(platform, id, status string, logs []string, format string, args ...any) error {
	logs = s.redact.Tail(logs, 100)
	msg := s.redact.String(fmt.Sprintf(format, args...))
	if n := len(logs); n > 0 {
		msg += "; the last lines of its log:\n" + strings.Join(logs[max(0, n-10):], "\n")
	}
	f := sdk.Fail(typeDeployFailed, "%s", msg)
	f.NonRetryable = true
	f.Details = FailureDetails{Platform: platform, DeploymentID: id, Status: status, Logs: logs}
	return f
}

// cancelled reports whether the attempt itself is over, so that an error of a call says nothing about the provider.
func cancelled(ctx context.Context) bool { return ctx.Err() != nil }

// aborted reports whether somebody gave the activity up. After a timeout, a pause, a stop of the host or a swap of the
// plugin another attempt goes on with what this one has begun.
func aborted(ctx context.Context) bool {
	var c *sdk.CancelError
	return errors.As(context.Cause(ctx), &c) && c.Reason == "requested"
}

func isDeployFailed(err error) bool {
	var e *sdk.Error
	return errors.As(err, &e) && e.Type == typeDeployFailed
}

func asAPI(err error) (*httpapi.Error, bool) {
	var e *httpapi.Error
	ok := errors.As(err, &e)
	return e, ok
}
