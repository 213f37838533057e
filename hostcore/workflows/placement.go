package workflows

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/orch-host/orch/hostcore/progress"
)

const (
	// placedWait is how long an activity that belongs to one host, or to hosts with
	// one label, waits for such a host to take it.
	placedWait = 10 * time.Minute
	// fanOutChange marks the histories of runs that fan out, with the way in which
	// they find the hosts.
	fanOutChange = "orch-all-hosts"
	// seenHosts was the first way: to look five times, two seconds apart, who polls.
	seenHosts = 1
	// knownHosts asks once, the list of hosts.
	knownHosts = 2
	// hostsActivity is the local activity that lists the hosts.
	hostsActivity = "orch_hosts"
)

// PlacedQueue is the task queue of the activities of a service that belong to the
// hosts with a name or label.
func PlacedQueue(taskQueue, target string) string { return taskQueue + "@" + target }

// Placement says where the activities of one service run.
type Placement struct {
	// Target is the name or label of hosts; "": any host.
	Target string
	// All starts each run once on every host, as a child workflow with the id
	// "<id>@<host>" and the same arguments, and ends when all have ended.
	All bool
	// Hosts lists the names of the hosts that have the service. Needed with All.
	Hosts func(context.Context) ([]string, error)
}

// Interceptor puts the placement in force, for typed workflows and declared
// pipelines alike, whoever starts them. A run keeps its way of running when the
// configuration changes under it; where its next activities go may change.
func (p Placement) Interceptor() interceptor.WorkerInterceptor { return &placer{placement: p} }

// ActivityRegistry takes registrations of activities: a worker or a test environment.
type ActivityRegistry interface {
	RegisterActivityWithOptions(a any, options activity.RegisterOptions)
}

// Register puts what the interceptor calls on the worker.
func (p Placement) Register(r ActivityRegistry) {
	if p.Hosts != nil {
		r.RegisterActivityWithOptions(p.Hosts, activity.RegisterOptions{Name: hostsActivity})
	}
}

type placer struct {
	interceptor.WorkerInterceptorBase
	placement Placement
}

// InterceptWorkflow implements interceptor.WorkerInterceptor.
func (p *placer) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return &placedRun{WorkflowInboundInterceptorBase: interceptor.WorkflowInboundInterceptorBase{Next: next}, placement: p.placement}
}

// placedRun is one run.
type placedRun struct {
	interceptor.WorkflowInboundInterceptorBase
	placement Placement
	target    string
}

// Init implements interceptor.WorkflowInboundInterceptor.
func (r *placedRun) Init(out interceptor.WorkflowOutboundInterceptor) error {
	return r.Next.Init(&placedCalls{WorkflowOutboundInterceptorBase: interceptor.WorkflowOutboundInterceptorBase{Next: out}, run: r})
}

// ExecuteWorkflow implements interceptor.WorkflowInboundInterceptor.
func (r *placedRun) ExecuteWorkflow(ctx workflow.Context, in *interceptor.ExecuteWorkflowInput) (any, error) {
	r.target = r.placement.Target
	if host := hostOf(ctx); host != "" {
		r.target = host
	} else if hasActivities(workflow.GetInfo(ctx).WorkflowType.Name) {
		if way := r.fansOut(ctx); way != workflow.DefaultVersion {
			return r.fanOut(ctx, way, in.Args)
		}
	}
	return r.Next.ExecuteWorkflow(ctx, in)
}

// placedID is the workflow id of a run's part for one host.
func placedID(id, host string) string { return id + "@" + host }

// hostOf is the host that a run of a fan-out is for, by its id: unlike a memo it is
// never encrypted, and people see it.
func hostOf(ctx workflow.Context) string {
	info := workflow.GetInfo(ctx)
	if info.ParentWorkflowExecution == nil {
		return ""
	}
	if host, ok := strings.CutPrefix(info.WorkflowExecution.ID, placedID(info.ParentWorkflowExecution.ID, "")); ok {
		return host
	}
	return ""
}

// hasActivities tells the workflows that do something from those that only start
// others, whose own placement counts.
func hasActivities(workflowType string) bool {
	i := slices.IndexFunc(All(), func(d Definition) bool { return d.Name == workflowType })
	return i < 0 || len(All()[i].Activities) > 0
}

// fansOut decides once whether the run does, and how it finds the hosts: the
// history tells later.
func (r *placedRun) fansOut(ctx workflow.Context) workflow.Version {
	if !r.placement.All && !workflow.IsReplaying(ctx) {
		return workflow.DefaultVersion
	}
	return workflow.GetVersion(ctx, fanOutChange, workflow.DefaultVersion, knownHosts)
}

// placedCalls sends the activities where they belong.
type placedCalls struct {
	interceptor.WorkflowOutboundInterceptorBase
	run *placedRun
}

// ExecuteActivity implements interceptor.WorkflowOutboundInterceptor. What names a
// queue of its own goes there.
func (c *placedCalls) ExecuteActivity(ctx workflow.Context, activityType string, args ...any) workflow.Future {
	own := workflow.GetInfo(ctx).TaskQueueName
	if c.run.target != "" && cmp.Or(workflow.GetActivityOptions(ctx).TaskQueue, own) == own {
		ctx = workflow.WithTaskQueue(ctx, PlacedQueue(own, c.run.target))
		ctx = workflow.WithScheduleToStartTimeout(ctx, placedWait)
	}
	return c.Next.ExecuteActivity(ctx, activityType, args...)
}

// fanOut runs the workflow on every host and gathers the results.
func (r *placedRun) fanOut(ctx workflow.Context, way workflow.Version, given []any) (any, error) {
	info := workflow.GetInfo(ctx)
	name := info.WorkflowType.Name
	recorder := progress.Record(ctx, name, nil)
	result, err := onAll(ctx, recorder, way, given)
	err = settle(ctx, err)
	end := endOf(err)
	if text, ok := result.(string); ok && err == nil {
		end.Result = text
		if IsFailure(text) {
			end.State = progress.Failed
		}
	}
	recorder.Close(end)
	return result, err
}

func onAll(ctx workflow.Context, recorder *progress.Recorder, way workflow.Version, given []any) (any, error) {
	args, err := rawArguments(given)
	if err != nil {
		return nil, temporal.NewNonRetryableApplicationError("the arguments cannot be decoded: "+err.Error(), "InvalidParams", err)
	}
	finish := recorder.Start("find the hosts")
	hosts, err := findHosts(ctx, way)
	finish(endOf(settle(ctx, err)))
	if err != nil {
		return nil, err
	}
	results, errs := map[string]any{}, map[string]error{}
	wg := workflow.NewWaitGroup(ctx)
	for _, host := range hosts {
		wg.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer wg.Done()
			finish := recorder.Start("on " + host)
			results[host], errs[host] = onHost(ctx, host, args)
			end := endOf(errs[host])
			if text, ok := results[host].(string); ok && IsFailure(text) {
				end = progress.End{State: progress.Failed, Error: text}
			}
			finish(end)
		})
	}
	wg.Wait(ctx)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return gather(hosts, results, errs)
}

// findHosts asks for as long as an activity would wait for its host.
func findHosts(ctx workflow.Context, way workflow.Version) ([]string, error) {
	ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		StartToCloseTimeout: 10 * time.Second, ScheduleToCloseTimeout: placedWait, RetryPolicy: &temporal.RetryPolicy{MaximumInterval: 10 * time.Second},
	})
	looks := 1
	if way == seenHosts {
		looks = 5
	}
	var hosts []string
	for look := range looks {
		if look > 0 {
			if err := workflow.Sleep(ctx, 2*time.Second); err != nil {
				return nil, err
			}
		}
		var found []string
		if err := workflow.ExecuteLocalActivity(ctx, hostsActivity).Get(ctx, &found); err != nil {
			return nil, fmt.Errorf("find the hosts of this service: %w", err)
		}
		hosts = append(hosts, found...)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts), nil
}

// onHost runs the workflow for one host.
func onHost(ctx workflow.Context, host string, args []any) (result any, err error) {
	info := workflow.GetInfo(ctx)
	id := placedID(info.WorkflowExecution.ID, host)
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: id, TaskQueue: info.TaskQueueName, WaitForCancellation: true, ParentClosePolicy: enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
		StaticSummary: "on host " + host,
	})
	err = settle(ctx, workflow.ExecuteChildWorkflow(ctx, info.WorkflowType.Name, args...).Get(ctx, &result))
	if isAlreadyRunning(err) {
		err = temporal.NewNonRetryableApplicationError(alreadyRunning(info.WorkflowType.Name, id)+": stop it first, or wait for it", "AlreadyRunning", nil)
	}
	return result, err
}

// gather is the result of all: the failures, else what every host answered, else
// the answers by host.
func gather(hosts []string, results map[string]any, errs map[string]error) (any, error) {
	var failed, answers []string
	equal := true
	for _, host := range hosts {
		text, isText := results[host].(string)
		switch {
		case errs[host] != nil:
			text := "on host " + host + ": " + message(errs[host])
			if wasAway(errs[host]) {
				text += fmt.Sprintf(" (start it, or, when it is gone for good: host hosts forget %s)", host)
			}
			failed = append(failed, text)
		case isText && IsFailure(text):
			answers = append(answers, strings.TrimPrefix(text, "Error: ")+" (on host "+host+")")
		}
		equal = equal && isText && results[hosts[0]] == results[host]
	}
	switch {
	case len(failed) > 0:
		return nil, temporal.NewNonRetryableApplicationError(strings.Join(failed, "; "), "HostsFailed", nil)
	case len(answers) > 0:
		return "Error: " + strings.Join(answers, "; "), nil
	case equal:
		return results[hosts[0]], nil
	}
	return results, nil
}

// wasAway tells that nobody took an activity of a host.
func wasAway(err error) bool {
	var timeout *temporal.TimeoutError
	return errors.As(err, &timeout) && timeout.TimeoutType() == enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START
}

// rawArguments are the arguments as they came, for a typed workflow or a dynamic
// one.
func rawArguments(given []any) ([]any, error) {
	if len(given) != 1 {
		return given, nil
	}
	encoded, ok := given[0].(converter.EncodedValues)
	if !ok {
		return given, nil
	}
	raw := make([]converter.RawValue, len(converter.GetPayloads(encoded).GetPayloads()))
	into, args := make([]any, len(raw)), make([]any, len(raw))
	for i := range raw {
		into[i] = &raw[i]
	}
	if len(raw) > 0 {
		if err := encoded.Get(into...); err != nil {
			return nil, err
		}
	}
	for i := range raw {
		args[i] = raw[i]
	}
	return args, nil
}
