package executor

import (
	"context"
	"strings"
	"testing"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/orch-host/orch/config"
)

// scheduler is a Temporal server with one schedule at the most.
type scheduler struct {
	server
	kept   *client.Schedule
	writes int
}

func (s *scheduler) For(string) (client.Client, error)     { return s, nil }
func (s *scheduler) ScheduleClient() client.ScheduleClient { return schedules{scheduler: s} }

type schedules struct {
	client.ScheduleClient
	scheduler *scheduler
}

func (s schedules) GetHandle(context.Context, string) client.ScheduleHandle {
	return schedule{scheduler: s.scheduler}
}

func (s schedules) Create(_ context.Context, o client.ScheduleOptions) (client.ScheduleHandle, error) {
	s.scheduler.writes++
	s.scheduler.kept = &client.Schedule{Spec: &o.Spec, Action: o.Action, State: &client.ScheduleState{Note: o.Note}}
	return schedule{scheduler: s.scheduler}, nil
}

type schedule struct {
	client.ScheduleHandle
	scheduler *scheduler
}

func (s schedule) Describe(context.Context) (*client.ScheduleDescription, error) {
	if s.scheduler.kept == nil {
		return nil, serviceerror.NewNotFound("no such schedule")
	}
	return &client.ScheduleDescription{Schedule: *s.scheduler.kept}, nil
}

func (s schedule) Update(ctx context.Context, o client.ScheduleUpdateOptions) error {
	d, err := s.Describe(ctx)
	if err != nil {
		return err
	}
	next, err := o.DoUpdate(client.ScheduleUpdateInput{Description: *d})
	if err != nil {
		return err
	}
	s.scheduler.writes++
	s.scheduler.kept = next.Schedule
	return nil
}

func (s schedule) Delete(context.Context) error {
	s.scheduler.writes++
	s.scheduler.kept = nil
	return nil
}

// pause does what the server does when somebody pauses a schedule: their reason takes the place of the note.
func (s *scheduler) pause(reason string) {
	s.kept.State = &client.ScheduleState{Paused: true, Note: reason}
}

func (s *scheduler) sync(t *testing.T, cron string) error {
	t.Helper()
	cfg := config.Default()
	cfg.Services = map[string]config.Service{"db": {Name: "db", Workflow: "W", TaskQueue: "q", WorkflowID: "db_1", Namespace: "default", Schedule: cron}}
	s.writes = 0
	return New(cfg, s).SyncSchedules(t.Context())
}

func TestAScheduleThatSomebodyPausedIsStillOurs(t *testing.T) {
	s := &scheduler{}
	for _, step := range []struct {
		name, cron, pause string
		writes            int
		paused            bool
		note              []string
	}{
		{"it is made", "@daily", "", 1, false, []string{"[services.db]", "@daily"}},
		{"nothing has changed", "@daily", "", 0, false, []string{"@daily"}},
		{"it was paused", "@daily", "the disk is full", 1, true, []string{"[services.db]", "@daily", "the disk is full"}},
		{"and nothing has changed since", "@daily", "", 0, true, []string{"the disk is full"}},
		{"it has another time", "@hourly", "", 1, true, []string{"@hourly", "the disk is full"}},
		{"it was paused and has another time", "@every 6h", "holidays", 1, true, []string{"@every 6h", "holidays"}},
	} {
		if step.pause != "" {
			s.pause(step.pause)
		}
		if err := s.sync(t, step.cron); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if s.writes != step.writes || s.kept.State.Paused != step.paused || s.kept.Spec.CronExpressions[0] != step.cron {
			t.Errorf("%s: %d writes, %+v, %v", step.name, s.writes, s.kept.State, s.kept.Spec)
		}
		for _, want := range step.note {
			if !strings.Contains(s.kept.State.Note, want) {
				t.Errorf("%s: the note is %q", step.name, s.kept.State.Note)
			}
		}
	}
	s.pause("for good")
	if err := s.sync(t, ""); err != nil || s.kept != nil {
		t.Errorf("a paused schedule that the service no longer has is still there: %+v, %v", s.kept, err)
	}
}

func TestAScheduleThatOrchDidNotMakeIsLeftAlone(t *testing.T) {
	s := &scheduler{kept: &client.Schedule{Action: &client.ScheduleWorkflowAction{Workflow: "Other"}, State: &client.ScheduleState{Note: "by hand"}}}
	if err := s.sync(t, "@daily"); err == nil || !strings.Contains(err.Error(), "did not make") || s.writes > 0 {
		t.Errorf("%d writes, %v", s.writes, err)
	}
	if err := s.sync(t, ""); err != nil || s.writes > 0 || s.kept == nil {
		t.Errorf("%d writes, %v", s.writes, err)
	}
}
