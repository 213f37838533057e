package container

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	dcontainer "github.com/docker/docker/api/types/container"

	"github.com/orch-host/orch/sdk"
)

// Beside each live file lies a copy of what the component has taken up. A crash
// between the writing of a file and its reload leaves the two different, and
// the next Ensure reloads.
const appliedSuffix = ".applied"

// takeBackTime is how long a component that runs has to take its previous files
// up again, before it is started anew.
const takeBackTime = 5 * time.Second

func (s Spec) applied() []File {
	var copies []File
	for _, f := range s.Files {
		if f.Live {
			f.Path += appliedSuffix
			copies = append(copies, f)
		}
	}
	return copies
}

// verify has the component check its files, once per call of Ensure.
func (r *ensuring) verify(ctx context.Context) error {
	if r.verified {
		return nil
	}
	if err := r.Verify(ctx, r.s); err != nil {
		return err
	}
	r.verified = true
	return nil
}

// Verify has a component check its files (Spec.Verify) in a throw-away
// container; a refusal is a [VerifyError]. A spec without a check passes.
func (e *Engine) Verify(ctx context.Context, s Spec) error {
	if s.Verify == nil {
		return nil
	}
	check := s
	check.Cmd = s.Verify.Cmd
	if s.Verify.Entrypoint != nil {
		check.Entrypoint = s.Verify.Entrypoint
	}
	res, err := e.Run(ctx, check)
	if err != nil {
		return fmt.Errorf("check the configuration of %s: %w", s.Component, err)
	}
	if res.ExitCode != 0 {
		command := strings.Join(append(slices.Clone(s.Verify.Entrypoint), s.Verify.Cmd...), " ")
		return &VerifyError{Name: cmp.Or(s.Name, ContainerName(s.Service, s.Component)), Image: s.Image, Command: command, Output: res.Output}
	}
	return nil
}

// writeLive brings the live files of an existing container up to date; before
// is what was taken up, when that differs.
func (r *ensuring) writeLive(ctx context.Context, cur *snapshot) (before []File, err error) {
	var live []File
	same := true
	for _, f := range r.s.Files {
		if !f.Live {
			continue
		}
		live = append(live, f)
		was, err := r.readFile(ctx, cur.id, f.Path+appliedSuffix)
		if err != nil {
			return nil, err
		}
		there, err := r.readFile(ctx, cur.id, f.Path) // a crash may have left what nobody wants any more
		if err != nil {
			return nil, err
		}
		same = same && bytes.Equal(was, f.Content) && bytes.Equal(there, f.Content)
		f.Content = was
		before = append(before, f)
	}
	if same {
		return nil, nil
	}
	if err := r.verify(ctx); err != nil {
		return nil, err
	}
	r.reloaded = true
	return before, r.writeFiles(ctx, cur, live)
}

func (r *ensuring) writeFiles(ctx context.Context, cur *snapshot, files []File) error {
	s := r.s
	s.Files = slices.Clone(files)
	for i := range s.Files {
		s.Files[i].Live = false // these themselves, and no copies
	}
	return r.copyFiles(ctx, s, cur.id)
}

// reload has the running component take up live files that differ from those
// it has; when it cannot, the previous ones are put back.
func (r *ensuring) reload(ctx context.Context, cur *snapshot) error {
	before, err := r.writeLive(ctx, cur)
	if err != nil || before == nil {
		return err
	}
	sdk.Progress(ctx, "reloading "+r.s.Name, 0, 0)
	if err := r.takeUp(ctx, cur); err != nil {
		if ctx.Err() != nil {
			var cancel context.CancelFunc
			ctx, cancel = sdk.Cleanup(ctx)
			defer cancel()
		}
		back := r.writeFiles(ctx, cur, before)
		if back == nil {
			back = r.takeBack(ctx, cur)
		}
		if outage(back) { // of the engine: once it is there again, so is the next attempt
			return back
		}
		return &notTakenUpError{name: r.s.Name, err: err, back: back}
	}
	return r.writeFiles(ctx, cur, r.s.applied())
}

func (r *ensuring) takeUp(ctx context.Context, cur *snapshot) error {
	err := r.s.Reload(ctx, Running{
		Name: cur.name, At: cur.ports,
		Signal: func(ctx context.Context, name string) error {
			return wrap(r.api.ContainerKill(ctx, cur.id, name), "send %s to container %s", name, cur.name)
		},
	})
	if err != nil {
		return err
	}
	return r.awaitReady(ctx, cur)
}

// takeBack has the component work with the files that it had before, which are
// in place again. One that has ended over the others, or does not take these up
// either, is started with them.
func (r *ensuring) takeBack(ctx context.Context, cur *snapshot) error {
	now, err := r.find(ctx, r.s.owner(), r.s.Name)
	if err != nil {
		return err
	}
	r.waitFor = nil // it may take as long as a start
	if now != nil && now.id == cur.id && now.running() {
		brief, cancel := context.WithTimeout(ctx, takeBackTime)
		defer cancel()
		if r.takeUp(brief, now) == nil {
			return nil
		}
	}
	if err := wrap(r.api.ContainerRestart(ctx, cur.id, dcontainer.StopOptions{}), "start container %s again", cur.name); err != nil {
		return err
	}
	if now, err = r.find(ctx, r.s.owner(), r.s.Name); err != nil {
		return err
	}
	if now == nil || now.id != cur.id {
		return fmt.Errorf("container %s has been taken away", cur.name)
	}
	return r.awaitReady(ctx, now)
}

// readFile reads a file of a container, running or not; nil when there is none.
func (e *Engine) readFile(ctx context.Context, id, path string) ([]byte, error) {
	body, _, err := e.api.CopyFromContainer(ctx, id, path)
	if cerrdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s of container %s: %w", path, id[:12], err)
	}
	defer body.Close()
	archive := tar.NewReader(body)
	if _, err := archive.Next(); err != nil {
		return nil, fmt.Errorf("read %s of container %s: %w", path, id[:12], err)
	}
	content, err := io.ReadAll(archive)
	if err != nil {
		return nil, fmt.Errorf("read %s of container %s: %w", path, id[:12], errors.Join(err, ctx.Err()))
	}
	return content, nil
}
