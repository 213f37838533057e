package container

import (
	"bytes"
	"context"
	"fmt"

	dcontainer "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// ExecResult is what a command inside a running container did.
type ExecResult struct {
	ExitCode       int
	Stdout, Stderr string
}

// Exec runs a command inside a running container and waits for its end. A
// command that fails is a result, not an error. When ctx ends first the command
// goes on; only the wait is over.
func (e *Engine) Exec(ctx context.Context, container string, cmd ...string) (ExecResult, error) {
	made, err := e.api.ContainerExecCreate(ctx, container, dcontainer.ExecOptions{Cmd: cmd, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return ExecResult{}, fmt.Errorf("run %s in container %s: %w", cmd[0], container, err)
	}
	stream, err := e.api.ContainerExecAttach(ctx, made.ID, dcontainer.ExecAttachOptions{})
	if err != nil {
		return ExecResult{}, fmt.Errorf("run %s in container %s: %w", cmd[0], container, err)
	}
	stop := context.AfterFunc(ctx, stream.Close)
	defer stop()
	defer stream.Close()
	var stdout, stderr bytes.Buffer
	if _, err := stdcopy.StdCopy(&stdout, &stderr, stream.Reader); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return ExecResult{}, fmt.Errorf("read what %s in container %s says: %w", cmd[0], container, err)
	}
	ended, err := e.api.ContainerExecInspect(ctx, made.ID)
	if err != nil {
		return ExecResult{}, fmt.Errorf("ask how %s in container %s ended: %w", cmd[0], container, err)
	}
	return ExecResult{ExitCode: ended.ExitCode, Stdout: stdout.String(), Stderr: stderr.String()}, nil
}
