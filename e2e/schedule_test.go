package e2e

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
)

func TestAServiceWithAScheduleStartsByItselfUnderItsOwnId(t *testing.T) {
	pipelines, err := filepath.Abs("../examples/pipelines")
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, []string{bin("plugins", "greeter")}, "")
	base := read(t, r.config)
	configure := func(schedule string) {
		write(t, r.config, 0o600, strings.Replace(base, "[host]", fmt.Sprintf("[host]\npipelines_dir = %q", pipelines), 1)+
			fmt.Sprintf("[services.%s]\npipeline = \"hello\"\nparams = { name = \"schedule\" }\n%s", r.service, schedule))
	}
	restart := func(h *running) {
		_ = h.Process.Signal(syscall.SIGTERM)
		<-h.done
	}
	describe := func() (*client.ScheduleDescription, error) {
		c := r.client(client.Options{})
		return c.ScheduleClient().GetHandle(t.Context(), r.service+"_schedule").Describe(t.Context())
	}

	configure("schedule = \"@every 1s\"\n")
	h := r.start()
	r.eventually("it has run twice", func() error {
		d, err := describe()
		if err != nil {
			return err
		}
		if d.Info.NumActions < 2 {
			return fmt.Errorf("%d starts", d.Info.NumActions)
		}
		return nil
	})
	r.eventually("the service shows the scheduled run as its own", func() error { // between two runs
		if o := r.expect(0, "status", r.service); !strings.Contains(o.stdout, "Hello, schedule!") {
			return fmt.Errorf("%v", o)
		}
		return nil
	})
	first, err := describe()
	if err != nil {
		t.Fatal(err)
	}
	restart(h)

	h = r.start() // nothing has changed
	again, err := describe()
	if err != nil {
		t.Fatal(err)
	}
	if !again.Info.CreatedAt.Equal(first.Info.CreatedAt) || !again.Info.LastUpdateAt.Equal(first.Info.LastUpdateAt) {
		t.Errorf("a restart has touched the schedule: %+v, was %+v", again.Info, first.Info)
	}
	// Temporal puts the reason of whoever pauses a schedule in place of its note.
	if err := r.client(client.Options{}).ScheduleClient().GetHandle(t.Context(), r.service+"_schedule").Pause(t.Context(), client.SchedulePauseOptions{Note: "the disk is full"}); err != nil {
		t.Fatal(err)
	}
	restart(h)

	configure("schedule = \"0 3 * * *\"\n")
	h = r.start()
	changed, err := describe()
	if err != nil {
		t.Fatal(err)
	}
	if note := changed.Schedule.State.Note; !strings.Contains(note, "0 3 * * *") || !strings.Contains(note, "the disk is full") || !changed.Schedule.State.Paused || !changed.Info.CreatedAt.Equal(first.Info.CreatedAt) {
		t.Errorf("the schedule was not updated: %+v", changed.Schedule.State)
	}
	restart(h)

	configure("")
	r.start()
	var missing *serviceerror.NotFound
	if d, err := describe(); !errors.As(err, &missing) {
		t.Errorf("the schedule is still there: %+v, %v", d, err)
	}
}
