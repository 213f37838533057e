package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/orch-host/orch/plugins/deploy/internal/fly"
	"github.com/orch-host/orch/plugins/deploy/internal/httpapi"
	"github.com/orch-host/orch/sdk"
)

// flyRun is one deployment, or rollback, on Fly Machines.
type flyRun struct {
	d       *deployer
	s       *settings
	in      FlyInput
	res     *Result
	run     string                    // this activity execution
	want    string                    // fingerprint of what is deployed
	ours    map[string]any            // our part of a machine's configuration
	secrets int64                     // version of the secrets that a machine must see
	before  map[string]map[string]any // configurations that this attempt replaced, by machine
}

// deployFly makes every machine of the app run the wanted image and configuration, and waits for their checks.
func (d *deployer) deployFly(ctx context.Context, in FlyInput) (Result, error) {
	s := d.settings()
	res := Result{Platform: "flyio", DryRun: in.DryRun, Plan: []string{}}
	err := d.runFlyDeploy(ctx, s, in, &res)
	return res, fail(err)
}

func (d *deployer) runFlyDeploy(ctx context.Context, s *settings, in FlyInput, res *Result) error {
	if err := in.check(); err != nil {
		return err
	}
	leave, err := d.guard.enter(ctx, "flyio", in.AppName)
	if err != nil {
		return err
	}
	defer leave()
	if in.Image == "" {
		return invalid("image is missing: name the image to deploy, with a tag or digest")
	}
	if s.Fly.Token == "" {
		return notConfigured("fly.token")
	}
	res.AppName, res.DeploymentURL = in.AppName, flyURL(in.AppName)
	image, err := d.publishImage(ctx, s, in.App, s.Fly.Registry+"/"+in.AppName, res)
	if err != nil {
		return err
	}
	res.Image = image
	r := &flyRun{d: d, s: s, in: in, res: res, run: runKey(sdk.GetInfo(ctx).IdempotencyKey), ours: in.machineConfig(image)}
	secrets, err := s.fly.Secrets(ctx, in.AppName)
	if err != nil && !(in.DryRun && httpapi.Is(err, httpapi.NotFound)) {
		return err
	}
	r.want = fingerprint(in.AppName, map[string]any{"config": r.ours, "release": in.ReleaseCommand, "secrets": secretsState(secrets)})
	r.secrets = in.SecretsVersion
	if r.secrets == 0 && len(secrets) > 0 { // without one it is the version of an app that is gone
		r.secrets = rememberedSecretsVersion(ctx, in.AppName)
	}
	res.DeploymentID = "orch-" + r.want
	fleet, err := r.fleet(ctx)
	if err != nil {
		return err
	}
	res.PreviousImage = fleet.previousImage()
	missing := in.missing(fleet)
	sdk.Heartbeat(ctx, map[string]any{"deployment_id": res.DeploymentID, "image": image, "previous_image": res.PreviousImage})
	if in.Strategy == "bluegreen" {
		for _, m := range fleet.stale {
			if m.HasMounts() {
				return invalid("machine %s has a volume: bluegreen would leave it behind; use strategy rolling", m.ID)
			}
		}
	}
	if in.DryRun {
		r.plan(fleet, missing)
		return nil
	}
	r.before = map[string]map[string]any{}
	if len(fleet.stale) == 0 && missing == 0 {
		if err := r.settle(ctx, fleet); err != nil {
			return r.giveUp(ctx, fleet, "", err)
		}
		return nil
	}
	release, err := r.release(ctx, fleet)
	if err != nil {
		return err
	}
	if in.Strategy == "bluegreen" && len(fleet.stale) > 0 {
		err = r.blueGreen(ctx, fleet, missing)
	} else {
		err = r.rolling(ctx, fleet, missing)
	}
	if err != nil {
		return r.giveUp(ctx, fleet, release, err)
	}
	res.Changed = true
	return r.tidy(ctx, fleet, release)
}

// missing is how many machines are to be created. Neither strategy makes a fleet smaller, as flyctl does not: somebody has
// scaled it, and machines may have volumes. Green machines take the place of blue ones, so those count once.
func (in FlyInput) missing(f fleet) int {
	if in.Strategy == "rolling" {
		return max(in.Instances-len(f.current)-len(f.stale), 0)
	}
	return max(max(in.Instances, len(f.stale))-len(f.current), 0)
}

// fleet is what an app runs, seen from the wanted state.
type fleet struct {
	current  []fly.Machine // run what is wanted
	stale    []fly.Machine // run something else
	releases []fly.Machine // machines of release commands
}

func (r *flyRun) fleet(ctx context.Context) (fleet, error) {
	var f fleet
	machines, err := r.s.fly.Machines(ctx, r.in.AppName)
	if err != nil && !(r.in.DryRun && httpapi.Is(err, httpapi.NotFound)) {
		return f, err
	}
	slices.SortFunc(machines, func(a, b fly.Machine) int { return strings.Compare(a.Name, b.Name) })
	for _, m := range machines {
		switch {
		case m.State == "destroyed" || m.State == "destroying":
		case m.Meta(flyGroup) == groupRelease && m.Meta(flyDeploy) != "":
			f.releases = append(f.releases, m)
		case m.Meta(flyGroup) != groupApp:
			// Another process group, or a machine that somebody runs by hand: not ours to touch.
		case m.Meta(flyWant) == r.want && m.Image() == r.ours["image"] && !(broken(m) && m.Meta(flyRunKey) != r.run):
			f.current = append(f.current, m)
		default:
			f.stale = append(f.stale, m)
		}
	}
	return f, nil
}

// broken machines of an earlier run are updated again; one of this run is this run's verdict.
func broken(m fly.Machine) bool { return m.State == "failed" || m.State == "launch_failed" }

// previousImage is what a rollback brings back. A machine that has been updated remembers what it ran.
func (f fleet) previousImage() string {
	for _, m := range f.stale {
		return m.Image()
	}
	for _, m := range f.current {
		return m.Meta(flyPrevious)
	}
	return ""
}

func (f fleet) names() map[string]bool {
	out := map[string]bool{}
	for _, m := range slices.Concat(f.current, f.stale, f.releases) {
		out[m.Name] = true
	}
	return out
}

// plan says what a deployment would do.
func (r *flyRun) plan(f fleet, missing int) {
	say := func(format string, args ...any) { r.res.Plan = append(r.res.Plan, fmt.Sprintf(format, args...)) }
	if len(f.stale) == 0 && missing == 0 {
		return
	}
	if r.in.ReleaseCommand != "" {
		say("run the release command %q", r.in.ReleaseCommand)
	}
	if r.in.Strategy == "bluegreen" && len(f.stale) > 0 {
		say("create %d green machines with %s and wait for their checks", missing, r.res.Image)
		for _, m := range f.stale {
			say("replace machine %s (%s)", m.Name, m.Image())
		}
		return
	}
	for _, m := range f.stale {
		say("update machine %s from %s to %s", m.Name, m.Image(), r.res.Image)
	}
	for range missing {
		say("create a machine with %s", r.res.Image)
	}
}

// settle is the whole work when everything is as wanted already, and the end of a deployment that an earlier attempt
// made: the machines must run and pass their checks.
func (r *flyRun) settle(ctx context.Context, f fleet) error {
	for _, m := range f.current {
		mine := r.run != "" && m.Meta(flyRunKey) == r.run
		r.res.Changed = r.res.Changed || mine
		if idle, err := r.wake(ctx, m); err != nil {
			return err
		} else if idle {
			continue
		}
		if mine && r.in.Strategy == "bluegreen" {
			if err := r.s.fly.Uncordon(ctx, r.in.AppName, m.ID); err != nil {
				return err
			}
		}
		if err := r.healthy(ctx, m, nil); err != nil {
			return err
		}
	}
	if r.res.Changed {
		r.res.Plan = append(r.res.Plan, "deployed "+r.res.Image)
	}
	return r.tidy(ctx, f, "")
}

// wake starts a machine that stands still, unless it may be idle. One of this run whose process failed is left so: that is
// the verdict.
func (r *flyRun) wake(ctx context.Context, m fly.Machine) (idle bool, err error) {
	if m.State != "stopped" && m.State != "suspended" {
		return false, nil
	}
	mine := r.run != "" && m.Meta(flyRunKey) == r.run
	if r.in.AutoStop != "off" && !mine {
		return true, nil
	}
	if code, known := m.ExitCode(); mine && known && code != 0 {
		return false, nil
	}
	return false, r.s.fly.StartMachine(ctx, r.in.AppName, m.ID)
}

// metadata of a machine that this deployment makes or changes.
func (r *flyRun) metadata(group string) map[string]string {
	md := map[string]string{flyPlatform: "v2", flyGroup: group, flyWant: r.want, flyDeploy: r.res.DeploymentID, flyRunKey: r.run}
	if r.res.PreviousImage != "" {
		md[flyPrevious] = r.res.PreviousImage
	}
	return md
}

// giveUp goes back after a failure for good, and then removes what release commands left: no attempt asks for it any more.
// In this order, because an attempt that follows a crash in between must not run the command again.
func (r *flyRun) giveUp(ctx context.Context, f fleet, release string, cause error) error {
	err := r.restore(ctx, cause)
	if !isDeployFailed(cause) {
		return err
	}
	for id := range f.releaseIDs(release) {
		if err := r.s.fly.DestroyMachine(ctx, r.in.AppName, id, ""); err != nil {
			sdk.Logger(ctx).Warn("the machine of a release command is still there; the next deployment removes it", "machine", id, "error", err)
		}
	}
	return err
}

// releaseIDs are the machines of release commands, with the one that this attempt has made.
func (f fleet) releaseIDs(made string) map[string]bool {
	ids := map[string]bool{}
	if made != "" {
		ids[made] = true
	}
	for _, m := range f.releases {
		ids[m.ID] = true
	}
	return ids
}

// tidy removes what a release command left. The first attempt fails when it cannot, because the next one finds the
// deployment done and has only this to do; after that it is a warning, for the deployment is live.
func (r *flyRun) tidy(ctx context.Context, f fleet, release string) error {
	for _, id := range sorted(f.releaseIDs(release)) {
		err := r.s.fly.DestroyMachine(ctx, r.in.AppName, id, "")
		if e, ok := asAPI(err); ok && e.Kind.Retryable() && sdk.GetInfo(ctx).Attempt < 2 {
			return fmt.Errorf("the deployment is live, and the machine of its release command is to be removed: %w", err)
		}
		if err != nil {
			r.res.Warnings = append(r.res.Warnings, fmt.Sprintf("the machine %s of a release command is still there: %v", id, err))
		}
	}
	return nil
}

// healthy waits until a machine is started and all of its checks pass. lease, when given, is kept alive meanwhile.
func (r *flyRun) healthy(ctx context.Context, m fly.Machine, lease *flyLease) error {
	started := false
	begun := time.Now()
	var startedAt time.Time
	sdk.Progress(ctx, "waiting for machine "+m.Name, 0, 0)
	return poll(ctx, "machine "+m.Name, time.Duration(r.in.Timeout), r.d.pacing().first, r.d.pacing().max, func(ctx context.Context) (bool, error) {
		sdk.Heartbeat(ctx, map[string]any{"deployment_id": r.res.DeploymentID, "previous_image": r.res.PreviousImage, "phase": "wait " + m.ID})
		if err := lease.keep(ctx); err != nil {
			return false, err
		}
		if !started {
			err := r.s.fly.Wait(ctx, r.in.AppName, m.ID, m.InstanceID, "started", r.d.pacing().flyWait)
			// 408: not yet. 400: it has gone past "started" in another way; its state says how.
			if err != nil && !timedOut(err) && !httpapi.Is(err, httpapi.Invalid) {
				return false, err
			}
			if err == nil {
				started, startedAt = true, time.Now()
			}
		}
		now, err := r.s.fly.Machine(ctx, r.in.AppName, m.ID)
		if err != nil {
			return false, err
		}
		if done, err := r.verdict(now); done || err != nil {
			return done, err
		}
		if started && time.Since(startedAt) > checksLimit(r.in.Timeout) {
			return false, r.machineFailed(now, "its checks do not pass")
		}
		if !started && time.Since(begun) > time.Duration(r.in.Timeout)*4/5 {
			return false, r.machineFailed(now, "it does not start")
		}
		return false, nil
	})
}

// checksLimit leaves room for a rollback inside the workflow's time.
func checksLimit(timeout sdk.Duration) time.Duration {
	return min(5*time.Minute, time.Duration(timeout)*4/5)
}

func timedOut(err error) bool {
	return httpapi.Is(err, httpapi.Server) && strings.Contains(err.Error(), "HTTP 408")
}

// verdict reads a machine's state and checks.
func (r *flyRun) verdict(m fly.Machine) (done bool, err error) {
	switch m.State {
	case "failed", "launch_failed", "destroyed", "destroying":
		return false, r.machineFailed(m, "it is "+m.State)
	case "stopped", "suspended":
		if code, known := m.ExitCode(); known && code != 0 {
			return false, r.machineFailed(m, fmt.Sprintf("its process ended with code %d", code))
		}
		return r.in.AutoStop != "off", nil
	case "started":
	default:
		return false, nil
	}
	for _, c := range m.Checks {
		if c.Status != "passing" {
			return false, nil
		}
	}
	return len(m.Checks) > 0, nil
}

// machineFailed is a DeployFailed. The Machines API has no logs; its events and the checks' output say what happened.
func (r *flyRun) machineFailed(m fly.Machine, why string) error {
	var lines []string
	for i := len(m.Events) - 1; i >= 0; i-- {
		e := m.Events[i]
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("event %s %s %s %s", e.Type, e.Status, e.Source, e.Request)))
	}
	for _, c := range m.Checks {
		lines = append(lines, fmt.Sprintf("check %s is %s: %s", c.Name, c.Status, c.Output))
	}
	return r.s.deployFailed("flyio", r.res.DeploymentID, m.State, lines,
		"fly: machine %s (%s) with %s failed: %s; see fly logs -a %s", m.Name, m.ID, m.Image(), why, r.in.AppName)
}
