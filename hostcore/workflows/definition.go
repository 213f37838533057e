package workflows

import (
	"context"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Definition describes one workflow type to the host.
type Definition struct {
	// Name is the workflow type clients start.
	Name string
	// Summary says in one line what a run achieves.
	Summary string
	// Fn is the workflow function.
	Fn any
	// Activities are the activity types a successful run calls, in order. A host can run the workflow when plugins
	// provide all of them.
	Activities []string
	// Undo are the activity types called only after a failure: rollback and compensation. A run works without them.
	Undo []string
	// Children are the workflow types a run starts as child workflows, in order.
	Children []string
}

// Options are the host's settings that reach into workflow code. Values are recorded in a run's history when they are
// first used, so that a change of setting never disturbs a run that is under way.
type Options struct {
	// ChatContext is the chat application's source folder, by the params of the service in the configuration. It is used
	// by ChatSetupWorkflow when the params of a run name no context, as those of other clients may not.
	ChatContext string
	// Stopping says whether the execution runs that takes down what the workflow with this id has set up. Needed where
	// ScheduledStartWorkflow runs.
	Stopping func(ctx context.Context, workflowID string) (bool, error)
}

// Registry takes workflow registrations: a worker, a replayer or a test environment.
type Registry interface {
	RegisterWorkflowWithOptions(w any, options workflow.RegisterOptions)
}

// Register registers every workflow of the package on r, and what they ask the host where r takes activities.
func Register(r Registry, o Options) {
	for _, d := range definitions(o) {
		r.RegisterWorkflowWithOptions(d.Fn, workflow.RegisterOptions{Name: d.Name})
	}
	if host, ok := r.(ActivityRegistry); ok && o.Stopping != nil {
		host.RegisterActivityWithOptions(o.Stopping, activity.RegisterOptions{Name: stoppingActivity})
	}
}

// All returns the definition of every workflow, in the order of the contract.
func All() []Definition { return definitions(Options{}) }

func definitions(o Options) []Definition {
	rows := []struct {
		spec spec
		fn   any
	}{
		{logsPipeline(), LogsPipelineWorkflow},
		{databasePipeline(), DatabasePipelineWorkflow},
		{metricsPipeline(), MetricsPipelineWorkflow},
		{tracingPipeline(), TracingPipelineWorkflow},
		{stdoutIngest(), ApplicationStdoutIngestWorkflow},
		{containerLogsIngest(), ContainerLogsIngestWorkflow},
		{otlpFromAppsIngest(), OtlpFromAppsIngestWorkflow},
		{chatSetup(), o.ChatSetupWorkflow},
		{chatCleanup(), ChatCleanupWorkflow},
		{flyioDeployment(), FlyioDeploymentWorkflow},
		{railwayDeployment(), RailwayDeploymentWorkflow},
		{renderDeployment(), RenderDeploymentWorkflow},
		{aiProxy(), AIProxyWorkflow},
		{aiProxyCleanup(), AIProxyCleanupWorkflow},
		{logsThenIngest(), RunLogsPipelineThenStdoutIngest},
		{scheduledStart(), ScheduledStartWorkflow},
	}
	all := make([]Definition, len(rows))
	for i, r := range rows {
		all[i] = Definition{
			Name: r.spec.name, Summary: r.spec.summary, Fn: r.fn,
			Activities: r.spec.activities, Undo: r.spec.undo, Children: r.spec.children,
		}
	}
	return all
}

// IsFailure reports whether the result text of a completed workflow tells of a failure. Some workflows complete with an
// error text instead of failing; clients must show those as failures.
func IsFailure(result string) bool {
	return strings.HasPrefix(result, "Error:") || result == configurationFailed
}

// spec is the fixed part of one workflow: its row in the contract.
type spec struct {
	name, summary  string
	retry          temporal.RetryPolicy
	timeout        time.Duration // start to close, of each step unless the step says otherwise
	activities     []string
	undo, children []string
}

// steps are the names drawn as pending when a run begins.
func (s spec) steps() []string { return append(append([]string{}, s.activities...), s.children...) }

// backoff is a retry policy of three attempts, waiting initial before the second and at most limit before any.
func backoff(initial, limit time.Duration) temporal.RetryPolicy {
	return temporal.RetryPolicy{
		InitialInterval: initial, BackoffCoefficient: 2, MaximumInterval: limit, MaximumAttempts: 3,
	}
}

// containerRetry is for steps that start containers on this machine.
func containerRetry() temporal.RetryPolicy { return backoff(time.Second, 10*time.Second) }

// remoteRetry is for steps that build images or call a provider.
func remoteRetry() temporal.RetryPolicy { return backoff(2*time.Second, 10*time.Second) }

// plainRetry leaves the waiting between its three attempts to the server's defaults.
func plainRetry() temporal.RetryPolicy { return temporal.RetryPolicy{MaximumAttempts: 3} }
