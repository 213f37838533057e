package executor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/workflows"
)

// catchup is how old a start may be that was missed while the server was away.
const catchup = time.Minute

// ScheduleID is the id of a service's Temporal schedule.
func ScheduleID(service string) string { return service + "_schedule" }

// SyncSchedules makes the Temporal schedules those of the configuration: each
// service with a schedule has one, a changed one is updated (whether it is
// paused stays as it is), and one whose service has no schedule any more is
// removed. Schedules of services that this configuration does not know, and
// those that Orch did not make, are left alone.
func (e *Executor) SyncSchedules(ctx context.Context) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(e.cfg.Services)) {
		if err := e.syncSchedule(ctx, e.cfg.Services[name]); err != nil {
			errs = append(errs, fmt.Errorf("schedule of service %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

func (e *Executor) syncSchedule(ctx context.Context, s config.Service) error {
	c, err := e.clients.For(s.Namespace)
	if err != nil {
		return err
	}
	id := ScheduleID(s.Name)
	handle := c.ScheduleClient().GetHandle(ctx, id)
	d, err := handle.Describe(ctx)
	var missing *serviceerror.NotFound
	switch {
	case errors.As(err, &missing):
		d = nil
	case err != nil:
		return fmt.Errorf("look at schedule %s: %w", id, err)
	}
	if d != nil && !isOurs(d.Schedule, s.Name) {
		if s.Schedule == "" {
			return nil
		}
		return fmt.Errorf("a schedule %s exists that Orch did not make: it was left alone; delete it (temporal schedule delete --schedule-id %s) or rename the service", id, id)
	}
	if s.Schedule == "" {
		if d == nil {
			return nil
		}
		return handle.Delete(ctx)
	}
	want := e.scheduleOf(s)
	if d == nil {
		_, err := c.ScheduleClient().Create(ctx, client.ScheduleOptions{
			ID: id, Spec: *want.Spec, Action: want.Action, Overlap: want.Policy.Overlap, CatchupWindow: want.Policy.CatchupWindow, Note: want.State.Note,
		})
		var exists *serviceerror.AlreadyExists // another host of the same configuration was faster
		if err != nil && !errors.As(err, &exists) && !strings.Contains(err.Error(), "already registered") {
			return fmt.Errorf("make schedule %s: %w", id, err)
		}
		return nil
	}
	if strings.HasPrefix(d.Schedule.State.Note, want.State.Note) {
		return nil
	}
	return handle.Update(ctx, client.ScheduleUpdateOptions{DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
		next, now := e.scheduleOf(s), in.Description.Schedule.State
		next.State.Paused = now.Paused
		reason := now.Note
		if strings.HasPrefix(reason, noteStart(s.Name)) {
			_, reason, _ = strings.Cut(reason, "; ")
		}
		if reason != "" {
			next.State.Note += "; " + reason
		}
		return &client.ScheduleUpdate{Schedule: next}, nil
	}})
}

// noteStart is how the note of a schedule begins that Orch keeps for a service.
func noteStart(service string) string { return "kept by Orch from [services." + service + "]" }

// isOurs says whether Orch made a schedule. The note alone does not tell: Temporal
// puts the reason of whoever pauses or unpauses a schedule in its place.
func isOurs(s client.Schedule, service string) bool {
	action, ok := s.Action.(*client.ScheduleWorkflowAction)
	return strings.HasPrefix(s.State.Note, noteStart(service)) || ok && action.Workflow == workflows.ScheduledStart
}

// scheduleOf is the schedule that a service shall have. Its note tells people
// where it comes from, and this function whether it has changed.
func (e *Executor) scheduleOf(s config.Service) *client.Schedule {
	argument := map[string]any{"workflow": s.WorkflowType(), "workflow_id": s.WorkflowID, "task_queue": s.TaskQueue, "params": s.Params}
	text, _ := json.Marshal([]any{s.Schedule, argument}) // it came out of a TOML file
	sum := sha256.Sum256(text)
	return &client.Schedule{
		Spec: &client.ScheduleSpec{CronExpressions: []string{s.Schedule}},
		Action: &client.ScheduleWorkflowAction{
			ID: s.WorkflowID + "_scheduled", Workflow: workflows.ScheduledStart, TaskQueue: s.TaskQueue, Args: []any{argument}, StaticSummary: s.Description,
		},
		Policy: &client.SchedulePolicies{Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: catchup},
		State:  &client.ScheduleState{Note: fmt.Sprintf("%s: %s (%s)", noteStart(s.Name), s.Schedule, hex.EncodeToString(sum[:6]))},
	}
}
