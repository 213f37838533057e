package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// executions are one case for every activity without a given case, and one for
// every given case.
func (k *kit) executions() []step {
	var steps []step
	for _, a := range k.manifest.GetActivities() {
		if k.samples[a.GetName()].given || k.ranLong(a.GetName()) {
			continue
		}
		steps = append(steps, step{"execute/" + a.GetName(), a.GetName() + " answers an input made up from its schema",
			func(ctx context.Context, k *kit) error { return k.tryMadeUp(ctx, a) }})
	}
	cancels := false
	for i, c := range k.o.Cases {
		name := fmt.Sprintf("%s answers case %d of the cases file as expected", c.Activity, i+1)
		try := func(ctx context.Context, k *kit) error { return k.tryCase(ctx, c) }
		if c.Cancel {
			cancels = true
			name = fmt.Sprintf("%s (case %d) shows life while it runs and answers its cancellation in time", c.Activity, i+1)
			try = func(ctx context.Context, k *kit) error { return k.tryCancel(ctx, c) }
		}
		steps = append(steps, step{fmt.Sprintf("case/%d", i+1), name, try})
	}
	if !cancels {
		steps = append(steps, step{"heartbeat", "a long attempt shows life while it runs and answers its cancellation in time",
			func(context.Context, *kit) error {
				return skip("no case of the cases file (--cases) has \"cancel: true\" and an activity that runs for a while")
			}})
	}
	return steps
}

// ranLong says whether a given case runs the activity until it is cancelled.
func (k *kit) ranLong(activity string) bool {
	return slices.ContainsFunc(k.o.Cases, func(c Case) bool { return c.Cancel && c.Activity == activity })
}

func (k *kit) tryMadeUp(ctx context.Context, a *pluginv1.ActivitySpec) error {
	in := k.samples[a.GetName()]
	if in.why != nil {
		return in.why
	}
	s, err := k.session(ctx)
	if err != nil {
		return err
	}
	v, late, err := k.execute(ctx, s, a.GetName(), in.args...)
	switch {
	case err != nil:
		return fmt.Errorf("with %s: %w", text(in.args[0]), err)
	case v.failure != nil:
		if err := wellFormed(v.failure); err != nil {
			return fmt.Errorf("with %s: %w", text(in.args[0]), err)
		}
		if late {
			return pass("it ran for more than %s and was cancelled", k.o.Timeout)
		}
		return pass("it answered %s", v)
	}
	return k.fitsOutput(a, v)
}

// wellFormed checks what every failure owes its readers.
func wellFormed(f *pluginv1.Failure) error {
	switch {
	case f.GetType() == "":
		return fmt.Errorf("the failure %q has no type, by which a workflow decides", f.GetMessage())
	case f.GetMessage() == "":
		return fmt.Errorf("the failure of type %s has no message", f.GetType())
	case f.GetType() == "Panic":
		return fmt.Errorf("it panicked: %s\n%s", f.GetMessage(), clip(f.GetStack()))
	}
	return nil
}

// fitsOutput checks a result against the schema that the plugin gave.
func (k *kit) fitsOutput(a *pluginv1.ActivitySpec, v verdict) error {
	var value any
	if err := json.Unmarshal(v.result, &value); err != nil {
		return fmt.Errorf("its result is not JSON: %s", clip(string(v.result)))
	}
	if err := checkAgainst(a.GetOutputSchema(), value); err != nil {
		return fmt.Errorf("its result %s does not fit its output_schema: %w", clip(string(v.result)), err)
	}
	return nil
}

func (k *kit) spec(activity string) *pluginv1.ActivitySpec {
	for _, a := range k.manifest.GetActivities() {
		if a.GetName() == activity {
			return a
		}
	}
	return nil
}

func (k *kit) tryCase(ctx context.Context, c Case) error {
	s, err := k.session(ctx)
	if err != nil {
		return err
	}
	v, late, err := k.execute(ctx, s, c.Activity, c.args()...)
	switch {
	case err != nil:
		return err
	case late:
		return fmt.Errorf("it had not answered after %s; --timeout gives it longer", k.o.Timeout)
	case c.Fails != "" && v.failure == nil:
		return fmt.Errorf("want a failure of type %s, got %s", c.Fails, v)
	case c.Fails != "" && v.failure.GetType() != c.Fails:
		return fmt.Errorf("want a failure of type %s, got %s", c.Fails, v)
	case c.Fails != "":
		return wellFormed(v.failure)
	case v.failure != nil:
		return fmt.Errorf("want a result, got %s", v)
	}
	if err := k.fitsOutput(k.spec(c.Activity), v); err != nil {
		return err
	}
	if c.Expect == nil {
		return nil
	}
	want, err := plain(c.Expect)
	if err != nil {
		return fmt.Errorf("expect: %w", err)
	}
	got, err := plain(v.result)
	if err != nil {
		return fmt.Errorf("the result: %w", err)
	}
	if diff := holds("the result", want, got); diff != "" {
		return fmt.Errorf("%s", diff)
	}
	return nil
}

// tryCancel lets an attempt run until it has shown life, then cancels it.
func (k *kit) tryCancel(ctx context.Context, c Case) error {
	s, err := k.session(ctx)
	if err != nil {
		return err
	}
	a, err := s.begin(ctx, c.Activity, c.args())
	if err != nil {
		return err
	}
	timer := time.NewTimer(max(k.o.Timeout, 2*heartbeatTimeout))
	defer timer.Stop()
	select {
	case <-a.ticked:
	case <-a.ended:
		if a.err != nil {
			return a.err
		}
		return fmt.Errorf("it answered %s before its first heartbeat: give it an input with which it runs for %s at least", a.v, heartbeatTimeout)
	case <-timer.C:
		a.cut()
		<-a.ended
		return fmt.Errorf("no heartbeat came, though its timeout is %s: the server would take the attempt for dead", heartbeatTimeout)
	}
	if err := a.askToStop(k.o.Grace); err != nil {
		a.cut()
		return fmt.Errorf("cancel it: %w", err)
	}
	v, err := a.wait(k.o.Grace)
	switch {
	case err != nil:
		return fmt.Errorf("after its cancellation: %w", err)
	case v.failure != nil && !v.failure.GetCanceled():
		return fmt.Errorf("it was cancelled and answered %s without \"canceled\" set, so that the workflow would see a failure", v)
	}
	return nil
}
