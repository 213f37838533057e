package container

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	dcontainer "github.com/docker/docker/api/types/container"

	"github.com/orch-host/orch/sdk"
)

// Action is what Ensure had to do.
type Action string

// Actions of Ensure.
const (
	Created   Action = "created"
	Started   Action = "started"
	Unchanged Action = "unchanged"
	Replaced  Action = "replaced"
	Reloaded  Action = "reloaded" // it runs on, with other live files
)

// Result is a container that is as its spec says, and ready.
type Result struct {
	ID        string
	Name      string
	Image     string // as the spec names it
	ImageID   string
	Action    Action
	Changed   bool // Action is not Unchanged
	StandIn   bool // the image only stands in for the real one
	Endpoints Endpoints
	Volumes   []string // named volumes that hold its data
}

// Ensure makes the container that the spec describes exist, run and be ready;
// see the package documentation for how. Errors: [SpecError], [UnreachableError],
// [ForeignError], [ImageError], [VerifyError], [PortInUseError], [ExitedError],
// [NotReadyError], and plain ones of the engine, which another attempt may mend.
func (e *Engine) Ensure(ctx context.Context, spec Spec) (Result, error) {
	s, err := spec.normalized()
	if err != nil {
		return Result{}, err
	}
	digest, err := s.digest()
	if err != nil {
		return Result{}, err
	}
	unlock, err := e.locks.lock(ctx, s.Name)
	if err != nil {
		return Result{}, fmt.Errorf("wait for other work on container %s: %w", s.Name, err)
	}
	defer unlock()
	r := &ensuring{Engine: e, s: s, digest: digest, prevRan: true}
	if err := r.run(ctx); err != nil {
		return Result{}, err
	}
	return r.result(), nil
}

// ensuring is one call of Ensure.
type ensuring struct {
	*Engine
	s      Spec
	digest string

	image    *Image    // nil until it is known to be local
	next     string    // id of the next container that this call works on
	filled   string    // the same, once its files are in it
	cur      *snapshot // the settled container
	created  bool
	replaced bool
	reloaded bool
	verified bool // the files have passed Spec.Verify
	began    bool // started or resumed by this call
	started  bool // ... and Docker has been there since
	prevRan  bool // the container that we replace was running, as far as we know
	waitFor  *time.Time
}

// attempts bounds how often a lost race is looked at again, and how often an
// engine that went away is waited for.
const (
	maxRaces   = 80
	maxOutages = 3
)

// run takes steps until the container is settled.
func (r *ensuring) run(ctx context.Context) error {
	var races, outages int
	answered := r.hasAnswered(ctx)
	for {
		done, err := r.step(ctx)
		switch {
		case err == nil && done:
			return nil
		case err == nil:
			answered = true
		case ctx.Err() != nil:
			return r.fail(ctx, err)
		case outage(err):
			if !answered || outages >= maxOutages || r.opts.OutageGrace < 0 {
				return r.unreachable(err)
			}
			outages++
			r.started = false // a restart of Docker ends containers: that is no fault of theirs
			sdk.Progress(ctx, "waiting for Docker to come back", 0, 0)
			sdk.Logger(ctx).Warn("Docker went away; waiting for it", "container", r.s.Name, "error", err)
			if err := r.awaitReturn(ctx); err != nil {
				return fmt.Errorf("container %s: Docker went away in the middle of the work: %w", r.s.Name, err)
			}
		case raced(err) && races < maxRaces:
			answered = true
			races++
			r.image = nil
			if err := sleep(ctx, time.Duration(10+rand.IntN(20*min(races, 10)))*time.Millisecond); err != nil {
				return r.fail(ctx, err)
			}
		default:
			return r.fail(ctx, err)
		}
	}
}

// step looks at the engine and brings the container one call closer. done
// means that it is as the spec says, and ready.
func (r *ensuring) step(ctx context.Context) (done bool, err error) {
	cur, next, prev, err := r.look(ctx)
	if err != nil {
		return false, err
	}
	if r.image == nil {
		if r.image, err = r.FindImage(ctx, r.s.Image); err != nil {
			return false, err
		}
	}
	switch {
	case r.matches(cur) && cur.removing():
		return false, fmt.Errorf("container %s is being removed: %w", cur.name, errRace)
	case r.matches(cur) && cur.state.Dead:
		return false, r.remove(ctx, cur)
	case r.matches(cur) && cur.running():
		return r.settle(ctx, cur, next, prev)
	case r.matches(cur) && r.started:
		return false, r.exited(ctx, cur)
	case r.matches(cur):
		return false, r.bringUp(ctx, cur, prev)
	case cur == nil && r.matches(prev):
		return false, r.rename(ctx, prev, r.s.Name)
	case next == nil || next.id != r.filled:
		return false, r.prepare(ctx, next, cur != nil || prev != nil)
	case cur == nil:
		r.created = true
		return false, r.rename(ctx, next, r.s.Name)
	default:
		return false, r.makeWay(ctx, cur, prev)
	}
}

// look finds the three containers that can bear the name.
func (r *ensuring) look(ctx context.Context) (cur, next, prev *snapshot, err error) {
	o := r.s.owner()
	if cur, err = r.find(ctx, o, r.s.Name); err != nil {
		return nil, nil, nil, err
	}
	if next, err = r.find(ctx, o, r.s.Name+suffixNext); err != nil {
		return nil, nil, nil, err
	}
	prev, err = r.find(ctx, o, r.s.Name+suffixPrev)
	return cur, next, prev, err
}

// matches tells whether the container was made from this spec and image.
func (r *ensuring) matches(c *snapshot) bool {
	return c != nil && c.spec == r.digest && (r.image == nil || c.image == r.image.ID)
}

// prepare brings image, networks, volumes and a filled next container.
// What is there is not replaced by what the component itself refuses.
func (r *ensuring) prepare(ctx context.Context, next *snapshot, replaces bool) error {
	var err error
	if r.image == nil {
		if r.image, err = r.EnsureImage(ctx, r.s.Image, r.s.ImageSetting); err != nil {
			return err
		}
	}
	if next != nil && (!r.matches(next) || !next.neverStarted) {
		return r.remove(ctx, next)
	}
	if replaces { // else its first start tells, and nothing is at stake
		if err := r.verify(ctx); err != nil {
			return err
		}
	}
	if err := r.ensureNetworks(ctx, r.s); err != nil {
		return err
	}
	if err := r.ensureVolumes(ctx, r.s); err != nil {
		return err
	}
	id := ""
	if next != nil { // left by a crash, or being made by another caller: the same files do no harm
		id = next.id
	} else if id, err = r.create(ctx, r.s, r.digest, r.s.Name+suffixNext, nil); err != nil {
		return err
	}
	r.next = id
	if err := r.copyFiles(ctx, r.s, id); err != nil {
		return err
	}
	if err := r.connect(ctx, r.s, id); err != nil {
		return err
	}
	r.filled = id
	return nil
}

// makeWay moves a container of another spec aside. It keeps running until the
// next one is about to start.
func (r *ensuring) makeWay(ctx context.Context, cur, prev *snapshot) error {
	switch {
	case cur.removing():
		return fmt.Errorf("container %s is being removed: %w", cur.name, errRace)
	case cur.neverStarted || cur.state.Dead: // it never worked: nothing to go back to
		return r.remove(ctx, cur)
	case prev == nil:
		r.replaced, r.prevRan = true, cur.state.Running
		return r.rename(ctx, cur, r.s.Name+suffixPrev)
	case cur.running():
		return r.remove(ctx, prev)
	default: // cur is a replacement that failed, prev what ran before it
		return r.remove(ctx, cur)
	}
}

// bringUp starts the container, in the place of the previous one.
func (r *ensuring) bringUp(ctx context.Context, cur, prev *snapshot) error {
	if prev != nil && prev.state.Running {
		r.replaced = true
		return r.stop(ctx, prev)
	}
	if cur.state.Restarting { // a crash loop: from the start, under our eyes
		return r.stop(ctx, cur)
	}
	if err := r.ensureNetworks(ctx, r.s); err != nil {
		return err
	}
	if err := r.setRestart(ctx, cur, dcontainer.RestartPolicyDisabled); err != nil {
		return err
	}
	if before, err := r.writeLive(ctx, cur); err != nil {
		return err
	} else if before != nil { // it takes them up as it starts
		if err := r.writeFiles(ctx, cur, r.s.applied()); err != nil {
			return err
		}
	}
	sdk.Progress(ctx, "starting container "+r.s.Name, 0, 0)
	err := r.api.ContainerStart(ctx, cur.id, dcontainer.StartOptions{})
	if cerrdefs.IsNotFound(err) && strings.Contains(err.Error(), "network") {
		// Its network was removed, and a container refers to networks by id:
		// one of the same name does not help it. Its data is in volumes.
		r.replaced = !cur.neverStarted
		return r.remove(ctx, cur)
	}
	if err != nil && strings.Contains(err.Error(), "ambiguous") {
		return fmt.Errorf("start container %s: %w: %w", cur.name, errRace, err) // another caller is making the same network
	}
	if err != nil {
		return r.startFailed(ctx, err)
	}
	r.began, r.started = true, true
	r.created = r.created || cur.neverStarted
	return nil
}

// settle waits until the running container is ready, and tidies up.
func (r *ensuring) settle(ctx context.Context, cur, next, prev *snapshot) (done bool, err error) {
	if cur.state.Paused {
		r.began = true
		return false, wrap(r.api.ContainerUnpause(ctx, cur.id), "resume container %s", cur.name)
	}
	if next != nil {
		return false, r.remove(ctx, next)
	}
	if err := r.awaitReady(ctx, cur); err != nil {
		return false, err
	}
	if err := r.reload(ctx, cur); err != nil {
		return false, err
	}
	// Only a container that has come up is restarted by Docker: before, an exit
	// is an error to report and not the beginning of a crash loop.
	if !r.s.HoldRestart {
		if err := r.setRestart(ctx, cur, dcontainer.RestartPolicyMode(r.s.Restart)); err != nil {
			return false, err
		}
	}
	if prev != nil {
		r.replaced = true
		if err := r.remove(ctx, prev); err != nil {
			return false, err
		}
	}
	r.cur = cur
	return true, nil
}

func (r *ensuring) result() Result {
	res := Result{
		ID: r.cur.id, Name: r.s.Name, Image: r.s.Image, ImageID: r.cur.image,
		Action: Unchanged, Endpoints: r.cur.ports, StandIn: r.image != nil && r.image.StandIn,
	}
	for _, v := range r.s.Volumes {
		res.Volumes = append(res.Volumes, r.s.volumeName(v))
	}
	switch {
	case r.replaced:
		res.Action = Replaced
	case r.created:
		res.Action = Created
	case r.began:
		res.Action = Started
	case r.reloaded:
		res.Action = Reloaded
	}
	res.Changed = res.Action != Unchanged
	return res
}
