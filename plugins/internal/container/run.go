package container

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	dcontainer "github.com/docker/docker/api/types/container"

	"github.com/orch-host/orch/sdk"
)

// RunResult is what a throw-away container did.
type RunResult struct {
	ExitCode int
	Output   string // standard output and error, the last 200 lines, secrets taken out
}

// leftoverAge is when a throw-away container that a crash left is swept.
const leftoverAge = 10 * time.Minute

// Run runs the spec's command in a throw-away container of the same image,
// with its files, and waits for its end, up to [Options].RunLimit: a component's own check of a
// configuration before it replaces anything. Ports, restart policy and
// readiness of the spec are ignored, named volumes and networks left out. A
// command that fails is a result, not an error.
func (e *Engine) Run(ctx context.Context, spec Spec) (RunResult, error) {
	s, err := spec.normalized()
	if err != nil {
		return RunResult{}, err
	}
	s.Ports, s.Volumes, s.Networks = nil, nil, nil
	if _, err := e.EnsureImage(ctx, s.Image, s.ImageSetting); err != nil {
		return RunResult{}, err
	}
	e.sweepRuns(ctx, s.owner(), false)
	var random [6]byte
	if _, err := rand.Read(random[:]); err != nil {
		return RunResult{}, fmt.Errorf("name a throw-away container: %w", err)
	}
	id, err := e.create(ctx, s, "run", s.Name+".run-"+hex.EncodeToString(random[:]), map[string]string{LabelOneShot: "true"})
	if err != nil {
		return RunResult{}, err
	}
	defer func() {
		ctx, cancel := sdk.Cleanup(ctx)
		defer cancel()
		if err := e.remove(ctx, &snapshot{id: id, name: s.Name}); err != nil {
			sdk.Logger(ctx).Warn("a throw-away container is left; a later run sweeps it", "container", id, "error", err)
		}
	}()
	if err := e.copyFiles(ctx, s, id); err != nil {
		return RunResult{}, err
	}
	ended, waitErr, leave := e.wait(ctx, id)
	defer leave()
	if err := e.api.ContainerStart(ctx, id, dcontainer.StartOptions{}); err != nil {
		r := &ensuring{Engine: e, s: s}
		return RunResult{}, r.startFailed(ctx, err)
	}
	var res RunResult
	limit := time.NewTimer(e.opts.RunLimit)
	defer limit.Stop()
	select {
	case end := <-ended:
		if end.Error != nil {
			return res, fmt.Errorf("wait for %s: %s", strings.Join(s.Cmd, " "), end.Error.Message)
		}
		res.ExitCode = int(end.StatusCode)
	case err := <-waitErr:
		return res, fmt.Errorf("wait for %s in a container of %s: %w", strings.Join(s.Cmd, " "), s.Image, errors.Join(ctx.Err(), err))
	case <-limit.C:
		out, err := e.logs(ctx, id, tailLines, "")
		if err != nil {
			out = err.Error()
		}
		return res, fmt.Errorf("%s in a container of %s has not ended after %s and was stopped%s", s.redact(strings.Join(s.Cmd, " ")), s.Image, e.opts.RunLimit, logTail(s.redact(strings.TrimSpace(out))))
	}
	out, err := e.logs(ctx, id, 200, "")
	if err != nil {
		return res, fmt.Errorf("read the output of %s: %w", strings.Join(s.Cmd, " "), err)
	}
	res.Output = s.redact(out)
	return res, nil
}

// wait begins to wait for the container's next end. leave ends the waiting, also
// of the client's goroutine, which would wait forever for its answer to be taken.
func (e *Engine) wait(ctx context.Context, id string) (ended <-chan dcontainer.WaitResponse, failed <-chan error, leave func()) {
	ctx, cancel := context.WithCancel(ctx)
	answers, errs := e.api.ContainerWait(ctx, id, dcontainer.WaitConditionNextExit)
	end, fail, over := make(chan dcontainer.WaitResponse, 1), make(chan error, 1), make(chan struct{})
	go func() {
		defer close(over)
		select { // it gives one of them, whatever happens, once ctx has ended
		case a := <-answers:
			end <- a
		case err := <-errs:
			fail <- err
		}
	}()
	return end, fail, func() { cancel(); <-over }
}

// sweepRuns removes throw-away containers of the owner that a crash left:
// those that are older than leftoverAge and, with idle, those that do not run.
func (e *Engine) sweepRuns(ctx context.Context, o owner, idle bool) {
	f := o.filter()
	f.Add("label", LabelOneShot+"=true")
	list, err := e.api.ContainerList(ctx, dcontainer.ListOptions{All: true, Filters: f})
	if err != nil {
		return // the run itself will tell
	}
	for _, c := range list {
		if time.Since(time.Unix(c.Created, 0)) > leftoverAge || idle && c.State != dcontainer.StateRunning {
			if err := e.remove(ctx, &snapshot{id: c.ID, name: c.ID[:12]}); err != nil {
				sdk.Logger(ctx).Warn("a left throw-away container cannot be removed", "container", c.ID, "error", err)
			}
		}
	}
}
