package bridge

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"

	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/sdk/pluginv1"
)

// Failure types that the bridge itself reports, as the type of the
// ApplicationError that a workflow sees. All but the last two are retryable.
const (
	typeUnavailable = "PluginUnavailable" // nothing offers the activity here now
	typeCrashed     = "PluginCrashed"     // the process went away under the attempt
	typeWorkerStop  = "WorkerStopping"    // the host shut down before the attempt was done
	typeDrained     = "PluginDrained"     // the plugin was replaced and the drain time was over
	typeLost        = "ContactLost"       // the server had not heard from this host for the heartbeat timeout
	typeWire        = "PluginProtocol"    // the plugin broke the wire contract
	typeTooLarge    = "ResultTooLarge"    // over the limit of the wire
	typeUndecodable = "InvalidInput"      // the arguments cannot be decoded (wrong codec key)
)

// verdict turns the error of an attempt into what Temporal is told.
func (a *attempt) verdict(ctx, soft context.Context, err error) error {
	var failure *plugin.FailureError
	if errors.As(err, &failure) {
		if failure.GetCanceled() {
			return a.canceled(ctx, soft, failure.GetMessage())
		}
		return applicationError(failure.Failure)
	}
	var crash *plugin.CrashError
	if errors.As(err, &crash) {
		details := []any{}
		if crash.Exit != nil && crash.Exit.Stderr != "" {
			details = append(details, map[string]string{"stderr": crash.Exit.Stderr})
		}
		return temporal.NewApplicationErrorWithOptions(crash.Error(), typeCrashed, temporal.ApplicationErrorOptions{Details: details})
	}
	var cut *plugin.CutError
	if errors.As(err, &cut) {
		return a.canceled(ctx, soft, cut.Error())
	}
	if errors.Is(err, plugin.ErrTooLarge) {
		return temporal.NewNonRetryableApplicationError(err.Error(), typeTooLarge, nil)
	}
	return temporal.NewApplicationError(err.Error(), typeWire)
}

// tooLarge says what to do with an answer that no server takes.
func tooLarge(activity string, bytes int) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(
		"activity %s answered %.1f MiB, and an answer may have %.1f MiB at most (2 MiB with the server's default settings): write it to a file or an object store and answer where it is",
		activity, float64(bytes)/(1<<20), float64(maxResult)/(1<<20)), typeTooLarge, nil)
}

// canceled tells a cancellation that Temporal asked for from one of our own
// making, which is a failed attempt that may be made again.
func (a *attempt) canceled(ctx, soft context.Context, message string) error {
	if lost := lostLease(soft); lost != nil {
		return temporal.NewApplicationError(lost.Error()+": "+message, typeLost)
	}
	if ctx.Err() != nil && cancelReason(ctx) != pluginv1.Cancel_WORKER_STOP {
		return temporal.NewCanceledError(message)
	}
	if soft.Err() != nil {
		return temporal.NewApplicationError("the host stopped before the attempt was done: "+message, typeWorkerStop)
	}
	return temporal.NewApplicationError("the plugin was replaced before the attempt was done: "+message, typeDrained)
}

// applicationError keeps everything a workflow can decide by. A stack, which a
// panic has, travels as the first detail when there are no others.
func applicationError(f *pluginv1.Failure) error {
	o := temporal.ApplicationErrorOptions{
		NonRetryable: f.GetNonRetryable(), NextRetryDelay: f.GetNextRetryDelay().AsDuration(), Details: rawValues(f.GetDetails()),
	}
	if f.GetCause() != nil {
		o.Cause = applicationError(f.GetCause())
	}
	if f.GetStack() != "" && len(o.Details) == 0 {
		o.Details = []any{map[string]string{"stack": f.GetStack()}}
	}
	return temporal.NewApplicationErrorWithOptions(f.GetMessage(), f.GetType(), o)
}
