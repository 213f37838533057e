package deploy

import (
	"context"
	"fmt"
	"time"

	"github.com/orch-host/orch/plugins/deploy/internal/fly"
	"github.com/orch-host/orch/plugins/deploy/internal/httpapi"
	"github.com/orch-host/orch/sdk"
)

// releaseLimit is flyctl's default for a release command.
const releaseLimit = 5 * time.Minute

// release runs the release command once, in a machine of its own with the new image, before a live machine is touched.
// The machine stays until the deployment is done: it is what tells a later attempt that the command has run.
func (r *flyRun) release(ctx context.Context, f fleet) (machine string, err error) {
	if r.in.ReleaseCommand == "" {
		return "", nil
	}
	cmd, err := words(r.in.ReleaseCommand)
	if err != nil || len(cmd) == 0 {
		return "", invalid("release_command %q: %v", r.in.ReleaseCommand, err)
	}
	// Live machines that run the wanted content show that this release went through before.
	for _, m := range f.current {
		if r.run != "" && m.Meta(flyRunKey) == r.run {
			return "", nil
		}
	}
	m, err := r.releaseMachine(ctx, f, cmd)
	if err != nil {
		return "", err
	}
	code, err := r.releaseCode(ctx, m)
	if err != nil {
		return "", err
	}
	if code.code != 0 {
		failure := r.machineFailed(code.machine, fmt.Sprintf("the release command %q ended with code %d, and no live machine was touched", r.in.ReleaseCommand, code.code))
		if err := r.s.fly.DestroyMachine(ctx, r.in.AppName, m.ID, ""); err != nil {
			sdk.Logger(ctx).Warn("the machine of a failed release command is still there", "machine", m.ID, "error", err)
		}
		return "", failure
	}
	r.res.Plan = append(r.res.Plan, fmt.Sprintf("ran the release command %q", r.in.ReleaseCommand))
	return m.ID, nil
}

func (r *flyRun) releaseMachine(ctx context.Context, f fleet, cmd []string) (fly.Machine, error) {
	name := fmt.Sprintf("%s-release-%s", r.in.AppName, fingerprint(r.want, r.run)[:8])
	for _, m := range f.releases {
		if m.Name == name {
			return m, nil
		}
	}
	env := map[string]any{"RELEASE_COMMAND": "1"}
	for k, v := range r.in.Env {
		env[k] = v
	}
	md := r.metadata(groupRelease)
	config := overlay(nil, map[string]any{
		"image": r.res.Image, "env": env, "guest": r.ours["guest"], "auto_destroy": false,
		"init": map[string]any{"cmd": cmd}, "restart": map[string]any{"policy": "no"},
	}, md)
	sdk.Progress(ctx, "running the release command", 0, 0)
	m, err := r.s.fly.CreateMachine(ctx, r.in.AppName, fly.MachineInput{Name: name, Region: r.in.Region, MinSecretsVersion: r.secrets, Config: config})
	if e, ok := asAPI(err); ok && e.Code == fly.CodeMachineExists {
		return r.existing(ctx, name, e)
	}
	return m, err
}

type exit struct {
	code    int
	machine fly.Machine
}

func (r *flyRun) releaseCode(ctx context.Context, m fly.Machine) (exit, error) {
	var out exit
	silent := 0
	err := poll(ctx, "the release command", min(releaseLimit, time.Duration(r.in.Timeout)), r.d.pacing().first, r.d.pacing().max, func(ctx context.Context) (bool, error) {
		sdk.Heartbeat(ctx, map[string]any{"deployment_id": r.res.DeploymentID, "previous_image": r.res.PreviousImage, "phase": "release " + m.ID})
		err := r.s.fly.Wait(ctx, r.in.AppName, m.ID, m.InstanceID, "stopped", r.d.pacing().flyWait)
		if err != nil && !timedOut(err) && !httpapi.Is(err, httpapi.Invalid) {
			return false, err
		}
		now, err := r.s.fly.Machine(ctx, r.in.AppName, m.ID)
		if err != nil {
			return false, err
		}
		switch now.State {
		case "stopped", "destroyed", "failed", "launch_failed":
			code, known := now.ExitCode()
			if known {
				out = exit{code, now}
				return true, nil
			}
			// Without an exit event nobody knows whether the command went through: that is not a success.
			if silent++; silent >= 3 || now.State != "stopped" {
				return false, r.machineFailed(now, "the release command ended and its exit code is unknown")
			}
		}
		return false, nil
	})
	return out, err
}
