package workflows

import "go.temporal.io/sdk/temporal"

// healthy runs a health check as a step of its own: the run fails when it fails.
func (f *flow) healthy(activity string, p object) {
	if f.ended() {
		return
	}
	if err := f.health(activity, p); err != nil {
		f.fail(err)
	}
}

// health runs a health check. A check that answers false, or {"healthy": false}, has found its subject unhealthy.
func (f *flow) health(activity string, p object) error {
	result, err := f.execute(f.ctx, f.spec.timeout, activity, p)
	if err == nil && (string(result.json()) == "false" || result.fields().isFalse("healthy")) {
		err = temporal.NewNonRetryableApplicationError("the health check answered that it is not healthy", "Unhealthy", nil)
		f.progress.Overrule(activity, endOf(err))
	}
	return err
}
