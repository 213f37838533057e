package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// ending are the cases in which a process ends.
var ending = []step{
	{"drain", "Drain reports what runs until nothing does, and the process exits with code 0", drain},
	{"drain-refuses", "while it drains it refuses further attempts as retryable failures", drainRefuses},
	{"sigterm", "SIGTERM ends it in time with code 0", sigterm},
	{"host-gone", "it exits when the host is gone", hostGone},
	{"nothing-left", "no process of it is left when it has ended", nothingLeft},
}

// long is a case of the cases file that runs for a while.
func (k *kit) long() (Case, bool) {
	for _, c := range k.o.Cases {
		if c.Cancel {
			return c, true
		}
	}
	return Case{}, false
}

// fresh is a configured process of the case's own.
func (k *kit) fresh(ctx context.Context) (*session, error) {
	s, err := k.open(ctx)
	if err != nil {
		return nil, err
	}
	if err := k.configured(ctx, s); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// exitsCleanly waits for a process that was asked to end.
func (k *kit) exitsCleanly(s *session) error {
	select {
	case <-s.p.Done():
	case <-time.After(k.o.Grace):
		return fmt.Errorf("it still runs %s later", k.o.Grace)
	}
	if e := s.p.ExitState(); e.Code != 0 {
		return fmt.Errorf("it %w", e)
	}
	return nil
}

func drain(ctx context.Context, k *kit) error {
	s, err := k.fresh(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	ctx, cancel := context.WithTimeout(ctx, 2*k.o.Grace) // its own deadline, and as long again
	defer cancel()
	stream, err := s.client.Drain(ctx, &pluginv1.DrainRequest{Deadline: durationpb.New(k.o.Grace)})
	if err != nil {
		return fmt.Errorf("call Drain: %w", err)
	}
	last, reports := uint32(0), 0
	for {
		p, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if ctx.Err() != nil {
			return fmt.Errorf("its deadline was %s and nothing ran, but %s later the drain still went on, after %d reports", k.o.Grace, 2*k.o.Grace, reports)
		}
		if err != nil {
			return fmt.Errorf("after %d reports the drain broke off: %w", reports, err)
		}
		last, reports = p.GetInFlight(), reports+1
	}
	if reports == 0 {
		return errors.New("it ended without a report of how many attempts run")
	}
	if last != 0 {
		return fmt.Errorf("nothing ran, but its last report is that %d attempts are in flight", last)
	}
	if err := k.exitsCleanly(s); err != nil {
		return fmt.Errorf("after the drain: %w", err)
	}
	return nil
}

func drainRefuses(ctx context.Context, k *kit) error {
	c, ok := k.long()
	if !ok {
		return skip("no case of the cases file (--cases) has \"cancel: true\": nothing runs long enough to drain")
	}
	s, err := k.fresh(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	running, err := s.begin(ctx, c.Activity, c.args())
	if err != nil {
		return err
	}
	defer running.cut()
	select {
	case <-running.ticked:
	case <-running.ended:
		return fmt.Errorf("%s answered before it could be drained: give it an input with which it runs longer", c.Activity)
	case <-time.After(k.o.Timeout):
		return fmt.Errorf("%s shows no life", c.Activity)
	}
	draining, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := s.client.Drain(draining, &pluginv1.DrainRequest{Deadline: durationpb.New(10 * time.Minute)})
	if err != nil {
		return fmt.Errorf("call Drain: %w", err)
	}
	silence := time.AfterFunc(k.o.Timeout, cancel)
	p, err := stream.Recv()
	if !silence.Stop() {
		return fmt.Errorf("the drain had reported nothing after %s: it has to say at once how many attempts run", k.o.Timeout)
	}
	if err != nil {
		return fmt.Errorf("the drain broke off: %w", err)
	}
	if p.GetInFlight() != 1 {
		return fmt.Errorf("one attempt runs, but the drain reports %d", p.GetInFlight())
	}
	v, _, err := k.execute(ctx, s, c.Activity, c.args()...)
	switch {
	case err != nil:
		return fmt.Errorf("a further attempt: want a failure, got %w", err)
	case v.failure == nil || v.failure.GetNonRetryable():
		return fmt.Errorf("a further attempt: want a retryable failure, got %s", v)
	}
	if err := running.askToStop(k.o.Grace); err != nil {
		return fmt.Errorf("cancel the running attempt: %w", err)
	}
	if _, err := running.wait(k.o.Grace); err != nil {
		return fmt.Errorf("the running attempt, cancelled during the drain: %w", err)
	}
	if err := k.exitsCleanly(s); err != nil {
		return fmt.Errorf("when its last attempt had ended: %w", err)
	}
	return nil
}

func sigterm(ctx context.Context, k *kit) error {
	s, err := k.fresh(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return k.exitsCleanly(s)
}

func hostGone(ctx context.Context, k *kit) error {
	b, err := k.launch(true, pluginv1.ServeArg)
	if err != nil {
		return err
	}
	defer b.stop()
	if _, err := b.connect(ctx, k.o.Timeout); err != nil {
		return err
	}
	_ = b.liveness.Close() // as the kernel does when the host dies
	if !b.ends(k.o.Grace) {
		return fmt.Errorf("it still ran %s after the descriptor named by %s had been closed: a host that is killed would leave it running", k.o.Grace, pluginv1.EnvLivenessFD)
	}
	return nil
}

func nothingLeft(ctx context.Context, k *kit) error {
	b, err := k.launch(true, pluginv1.ServeArg)
	if err != nil {
		return err
	}
	defer b.stop()
	client, err := b.connect(ctx, k.o.Timeout)
	if err != nil {
		return err
	}
	if err := k.exercise(ctx, client); err != nil {
		return err
	}
	if err := syscall.Kill(-b.cmd.Process.Pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("send it SIGTERM: %w", err)
	}
	if !b.ends(k.o.Grace) {
		return skip("it did not end on SIGTERM, which is another case")
	}
	var left []string
	for end := time.Now().Add(k.o.Grace); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if left, err = b.leftovers(); err != nil || len(left) == 0 {
			return err
		}
	}
	for _, text := range left {
		var pid int
		if _, err := fmt.Sscanf(text, "%d", &pid); err == nil && pid > 1 {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it is marked as ours; an error says that it has gone
		}
	}
	return fmt.Errorf("it has ended, but these processes of it still run: %s", strings.Join(left, ", "))
}

// exercise configures a process and runs every sample once, for what that
// starts.
func (k *kit) exercise(ctx context.Context, client pluginv1.PluginClient) error {
	settings := k.settings
	if settings == nil {
		settings = json.RawMessage("{}")
	}
	s := &session{client: client, state: k.dir, limit: k.o.Timeout}
	if problems, err := s.configure(ctx, settings); err != nil || len(problems) > 0 {
		return nil // another case says so; a plugin without a configuration can still be ended
	}
	if err := s.awaitReady(ctx, k.o.Timeout); err != nil {
		return err
	}
	for _, a := range k.runnable() {
		if _, _, err := k.execute(ctx, s, a.GetName(), k.samples[a.GetName()].args...); err != nil {
			return fmt.Errorf("run %s: %w", a.GetName(), err)
		}
	}
	return nil
}
