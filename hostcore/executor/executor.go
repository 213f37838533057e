package executor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/workflows"
)

const (
	// pollPatience is how long a start waits for somebody who polls: a plugin that
	// is just being started will, and so will hosts whose polls the server has
	// forgotten because it was restarted.
	pollPatience = 5 * time.Second
	// stopReason is what the original system wrote, and what people search for.
	stopReason = "manual stop"
	// searchAttribute finds the executions of one service.
	searchAttribute = "ServiceName"
)

// Executor works on services. The zero value is not usable; see New.
type Executor struct {
	clients Clients
	cfg     *config.Config
}

// Clients reach one Temporal server.
type Clients interface {
	For(namespace string) (client.Client, error)
	Address() string
	// Message is what a stored failure says, decrypted where it has to be.
	Message(*failurepb.Failure) string
	// Decode reads a value that one of the clients has written.
	Decode(*commonpb.Payload, any) error
}

// New makes an executor over the clients of one Temporal server.
func New(cfg *config.Config, clients Clients) *Executor {
	return &Executor{clients: clients, cfg: cfg}
}

// Service finds a configured service; the error names the nearest ones.
func (e *Executor) Service(name string) (config.Service, error) {
	s, ok := e.cfg.Services[name]
	if !ok {
		return s, &UnknownServiceError{Name: name, Known: e.cfg.Services}
	}
	return s, nil
}

// UnknownServiceError says that orch.toml has no such service.
type UnknownServiceError struct {
	Name  string
	Known map[string]config.Service
}

func (e *UnknownServiceError) Error() string {
	msg := fmt.Sprintf("there is no service %q in the configuration", e.Name)
	var near []string
	for name := range maps.Keys(e.Known) {
		if strings.Contains(name, e.Name) || strings.Contains(e.Name, name) {
			near = append(near, name)
		}
	}
	if len(near) > 0 {
		return msg + "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return msg + "; host services lists them"
}

// StartOptions adjust one start.
type StartOptions struct {
	Params     map[string]any // over the configured ones
	SkipPolled bool           // do not ask whether anybody polls the queue
}

// Run is a started execution.
type Run struct {
	Service    string `json:"service"`
	WorkflowID string `json:"workflow_id"`
	RunID      string `json:"run_id"`
	Workflow   string `json:"workflow"`
	TaskQueue  string `json:"task_queue"`
	Namespace  string `json:"namespace"`
	WebUI      string `json:"web_ui,omitempty"`
}

// AlreadyRunningError says that the service has an execution.
type AlreadyRunningError struct {
	Run
	Since time.Time
}

func (e *AlreadyRunningError) Error() string {
	since := ""
	if !e.Since.IsZero() {
		since = " since " + e.Since.Local().Format(time.DateTime)
	}
	return fmt.Sprintf("%s is already running%s (workflow %s, run %s): see host status %s, or %s; host stop %s ends it",
		e.Service, since, e.WorkflowID, e.RunID, e.Service, e.WebUI, e.Service)
}

// NotPolledError says that a start would wait for a worker that is not there.
type NotPolledError struct {
	Service, TaskQueue, Namespace, Address string
	Activities                             bool // workflows may be polled; activities are not
	Placement                              string
	Known                                  []string // hosts that are on the roster, with their labels
}

func (e *NotPolledError) Error() string {
	if e.Placement != "" {
		known := "no host has been seen lately"
		if len(e.Known) > 0 {
			known = "hosts seen lately: " + strings.Join(e.Known, ", ")
		}
		return fmt.Sprintf("no host with the name or label %q takes activities of %s now (task queue %s, namespace %s at %s; %s), and its placement asks for one: start it, see whether its plugins are ready (host plugin list), or change services.%s.placement",
			e.Placement, e.Service, e.TaskQueue, e.Namespace, e.Address, known, e.Service)
	}
	if e.Activities {
		return fmt.Sprintf("no host takes activities from task queue %s (namespace %s at %s) now, and whoever needs one would wait in silence: a plugin of its service is missing or not ready; see host plugin list",
			e.TaskQueue, e.Namespace, e.Address)
	}
	return fmt.Sprintf("nobody polls task queue %s (namespace %s at %s), so %s would wait for ever: start a host with this service in its orch.toml (\"host\"), and check that its task_queue is the same",
		e.TaskQueue, e.Namespace, e.Address, e.Service)
}

// Start begins an execution of the service's workflow.
func (e *Executor) Start(ctx context.Context, name string, o StartOptions) (*Run, error) {
	s, err := e.Service(name)
	if err != nil {
		return nil, err
	}
	if s.WorkflowType() == "" {
		return nil, fmt.Errorf("service %s has no workflow of its own, it starts %s: use host run, or host start --wait", name, strings.Join(s.Then, ", then "))
	}
	if s.StopWorkflow != "" {
		if err := e.stopping(ctx, s); err != nil {
			return nil, err
		}
	}
	return e.start(ctx, s, s.WorkflowType(), s.WorkflowID, o)
}

func (e *Executor) start(ctx context.Context, s config.Service, workflowType, id string, o StartOptions) (*Run, error) {
	c, err := e.clients.For(s.Namespace)
	if err != nil {
		return nil, err
	}
	run := &Run{Service: s.Name, WorkflowID: id, Workflow: workflowType, TaskQueue: s.TaskQueue, Namespace: s.Namespace}
	if !o.SkipPolled {
		if err := e.awaitPolled(ctx, c, s, enumspb.TASK_QUEUE_TYPE_WORKFLOW); err != nil {
			return nil, err
		}
		if err := e.placed(ctx, c, s); err != nil {
			return nil, err
		}
		if err := e.worked(ctx, c, s, workflowType); err != nil {
			return nil, err
		}
	}
	params := maps.Clone(s.Params)
	if params == nil {
		params = map[string]any{}
	}
	maps.Copy(params, o.Params)
	options := client.StartWorkflowOptions{
		ID: id, TaskQueue: s.TaskQueue,
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            s.Description,
		TypedSearchAttributes:                    temporal.NewSearchAttributes(temporal.NewSearchAttributeKeyKeyword(searchAttribute).ValueSet(s.Name)),
	}
	w, err := c.ExecuteWorkflow(ctx, options, workflowType, params)
	if isUnknownAttribute(err) { // a cluster where nobody has added it
		options.TypedSearchAttributes = temporal.SearchAttributes{}
		w, err = c.ExecuteWorkflow(ctx, options, workflowType, params)
	}
	var running *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &running) {
		run.RunID = running.RunId
		return nil, e.alreadyRunning(ctx, c, run)
	}
	if err != nil {
		return nil, fmt.Errorf("start workflow %s for %s on %s: %w", workflowType, s.Name, e.clients.Address(), err)
	}
	run.RunID = w.GetRunID()
	run.WebUI = e.webUI(s, run)
	return run, nil
}

func isUnknownAttribute(err error) bool {
	var invalid *serviceerror.InvalidArgument
	return errors.As(err, &invalid) && strings.Contains(invalid.Error(), searchAttribute)
}

func (e *Executor) alreadyRunning(ctx context.Context, c client.Client, run *Run) error {
	running := &AlreadyRunningError{Run: *run}
	if d, err := c.DescribeWorkflowExecution(ctx, run.WorkflowID, run.RunID); err == nil {
		running.Since = d.GetWorkflowExecutionInfo().GetStartTime().AsTime()
	}
	running.WebUI = e.webUI(e.cfg.Services[run.Service], run)
	return running
}

func (e *Executor) webUI(s config.Service, run *Run) string {
	base := s.WebUIURL
	if base == "" {
		base = e.cfg.Temporal.WebUI
	}
	return fmt.Sprintf("%s/namespaces/%s/workflows/%s/%s", strings.TrimRight(base, "/"), run.Namespace, run.WorkflowID, run.RunID)
}

// polled refuses a queue that no worker has polled lately.
func (e *Executor) polled(ctx context.Context, c client.Client, s config.Service, kind enumspb.TaskQueueType) error {
	found, err := pollers(ctx, c, s.Namespace, s.TaskQueue, kind)
	if err != nil {
		return fmt.Errorf("ask %s: %w", e.clients.Address(), err)
	}
	if len(found) == 0 {
		return &NotPolledError{Service: s.Name, TaskQueue: s.TaskQueue, Namespace: s.Namespace, Address: e.clients.Address(), Activities: kind == enumspb.TASK_QUEUE_TYPE_ACTIVITY}
	}
	return nil
}

// awaitPolled is polled with patience.
func (e *Executor) awaitPolled(ctx context.Context, c client.Client, s config.Service, kind enumspb.TaskQueueType) error {
	var none *NotPolledError
	for end := time.Now().Add(pollPatience); ; {
		err := e.polled(ctx, c, s, kind)
		if !errors.As(err, &none) || time.Now().After(end) {
			return err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// worked refuses a service whose workflow has activities, of which nobody takes
// any. Of workflow types that are not ours nothing is known.
func (e *Executor) worked(ctx context.Context, c client.Client, s config.Service, workflowType string) error {
	anywhere := s.Placement == "" || s.Placement == config.PlacementAny
	ours := slices.ContainsFunc(workflows.All(), func(d workflows.Definition) bool { return d.Name == workflowType && len(d.Activities) > 0 })
	if !anywhere || !ours && workflowType != "pipeline/"+s.Pipeline {
		return nil
	}
	return e.awaitPolled(ctx, c, s, enumspb.TASK_QUEUE_TYPE_ACTIVITY)
}

// placed refuses a service whose activities belong to hosts of which there is none.
func (e *Executor) placed(ctx context.Context, c client.Client, s config.Service) error {
	if s.Placement == "" || s.Placement == config.PlacementAny || s.Placement == config.PlacementAll {
		return nil
	}
	s.TaskQueue = workflows.PlacedQueue(s.TaskQueue, s.Placement)
	err := e.awaitPolled(ctx, c, s, enumspb.TASK_QUEUE_TYPE_ACTIVITY)
	var none *NotPolledError
	if errors.As(err, &none) {
		none.Placement = s.Placement
		if known, err := e.roster(c, s.Namespace).List(ctx); err == nil { // it only makes the refusal clearer
			for _, h := range known {
				none.Known = append(none.Known, strings.TrimSpace(h.Name+" "+strings.Join(h.Labels, " ")))
			}
		}
	}
	return err
}

// Failed says whether a result text tells of a failure.
func Failed(result string) bool { return workflows.IsFailure(result) }
