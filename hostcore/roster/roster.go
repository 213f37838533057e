// Package roster keeps in Temporal which hosts there are, because the server
// itself does not: it remembers who polls a task queue for some minutes and in
// memory, and forgets it when it is restarted. What is to be done on all hosts
// must not leave one out for that.
//
// The entry of a host is a workflow execution "orch-host/<name>" that is never
// run: its first task is due only when the entry has run out. So it needs no
// worker, outlives every restart of the server and of the hosts, can be seen in
// the Web UI, and ends by itself when the host has not renewed it for its time.
//
// A host enters before it takes work and renews its entry while it runs
// ([Roster.Keep]). Stopping it does not take it out: a host that is restarted is
// still one of all. What is gone for good is forgotten by hand ([Roster.Forget])
// or by time.
package roster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

const (
	// workflowType and queue are those of entries; nobody polls the queue.
	workflowType = "OrchHost"
	queue        = "orch-hosts"
	idPrefix     = "orch-host/"
	memoKey      = "host"
	// renewals is how often an entry is renewed within its time.
	renewals = 4
	// retryEvery is how long a renewal that failed waits for the next try.
	retryEvery = 10 * time.Second
	// forgotten is the reason of entries that were taken out, in the history.
	forgotten = "forgotten"
)

// Entry is what a host says about itself.
type Entry struct {
	Name    string    `json:"name"`
	Labels  []string  `json:"labels,omitempty"`
	Queues  []string  `json:"queues"` // task queues of the services with a placement that it has
	Version string    `json:"version"`
	Seen    time.Time `json:"seen"` // when it entered or renewed last
}

// Roster is that of one namespace.
type Roster struct {
	Client    client.Client
	Namespace string
	// Decode reads what the client's converter has written.
	Decode func(*commonpb.Payload, any) error
}

// Enter puts a host on the roster, or renews it, for a time.
func (r Roster) Enter(ctx context.Context, e Entry, ttl time.Duration) error {
	_, err := r.Client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: idPrefix + e.Name, TaskQueue: queue, Memo: map[string]any{memoKey: e},
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING,
		StartDelay:               2 * ttl, WorkflowExecutionTimeout: ttl,
		StaticSummary: "an entry of the list of hosts; it is never run",
	}, workflowType)
	if err != nil {
		return fmt.Errorf("put host %s on the list of hosts of namespace %s: %w", e.Name, r.Namespace, err)
	}
	return nil
}

// Keep renews an entry until ctx ends; err is how its last Enter ended. After one
// that failed the next try comes soon. told hears how each ended.
func (r Roster) Keep(ctx context.Context, e Entry, ttl time.Duration, err error, told func(error)) {
	for {
		wait := ttl / renewals
		if err != nil {
			wait = min(retryEvery, wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		if err = r.Enter(ctx, e, ttl); ctx.Err() != nil {
			return
		}
		told(err)
	}
}

// List is everybody on the roster, by name.
func (r Roster) List(ctx context.Context) ([]Entry, error) {
	latest := map[string]Entry{}
	request := &workflowservice.ListWorkflowExecutionsRequest{Namespace: r.Namespace, Query: fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Running'", workflowType)}
	for {
		page, err := r.Client.ListWorkflow(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("read the list of hosts of namespace %s: %w", r.Namespace, err)
		}
		for _, execution := range page.GetExecutions() {
			name, ours := strings.CutPrefix(execution.GetExecution().GetWorkflowId(), idPrefix)
			if !ours {
				continue // somebody else's type of this name
			}
			e, err := r.entry(name, execution)
			if err != nil {
				return nil, err
			}
			if was, ok := latest[e.Name]; !ok || was.Seen.Before(e.Seen) { // one that is being renewed may stand there twice
				latest[e.Name] = e
			}
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			break
		}
	}
	var all []Entry
	for _, e := range latest {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

func (r Roster) entry(name string, execution *workflowpb.WorkflowExecutionInfo) (Entry, error) {
	e := Entry{}
	if err := r.Decode(execution.GetMemo().GetFields()[memoKey], &e); err != nil {
		return e, fmt.Errorf("read the entry of host %s: %w", name, err)
	}
	e.Name, e.Seen = name, execution.GetStartTime().AsTime()
	return e, nil
}

// UnknownError says that a host is not on the roster.
type UnknownError struct{ Name, Namespace string }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("there is no host %q on the list of namespace %s; host hosts shows it", e.Name, e.Namespace)
}

// Forget takes a host off the roster. One that still runs enters again when it
// renews.
func (r Roster) Forget(ctx context.Context, name string) error {
	err := r.Client.TerminateWorkflow(ctx, idPrefix+name, "", forgotten)
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return &UnknownError{Name: name, Namespace: r.Namespace}
	}
	if err != nil {
		return fmt.Errorf("take host %s off the list of hosts: %w", name, err)
	}
	return nil
}
