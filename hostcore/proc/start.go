package proc

import (
	"context"
	"errors"
	"os/exec"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// Start runs the plugin and connects to it. Ctx bounds the start only; the
// process goes on when it ends later. Every error is a *StartError, and nothing
// of the attempt is left behind then.
func Start(ctx context.Context, spec Spec) (*Process, error) {
	spec, err := spec.withDefaults()
	if err != nil {
		return nil, &StartError{Plugin: spec.Name, Path: spec.Path, Stage: StagePrepare, Err: err}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, spec.StartTimeout, timeoutCause(spec.StartTimeout))
	defer cancel()

	p, err := prepare(spec)
	if err != nil {
		return nil, &StartError{Plugin: spec.Name, Path: spec.Path, Stage: StagePrepare, Err: err}
	}
	if err := p.start(ctx); err != nil {
		return nil, p.abandon(err)
	}
	return p, nil
}

// prepare makes everything that the process needs before it exists.
func prepare(spec Spec) (*Process, error) {
	cred, err := credential(spec.Limits.RunAs)
	if err != nil {
		return nil, err
	}
	uid, gid := -1, -1
	if cred != nil {
		uid, gid = int(cred.Uid), int(cred.Gid)
	}
	dir, err := newSocketDir(spec.RuntimeDir, uid, gid)
	if err != nil {
		return nil, err
	}
	group, err := spec.Cgroups.newGroup(spec.Limits.MemoryBytes)
	if err != nil {
		dir.remove()
		return nil, err
	}
	out := newOutput(newForwarder(spec.Logger, spec.LogSink))
	life, end := context.WithCancel(context.Background())
	return &Process{
		spec: spec, out: out, dir: dir, life: life, cancel: end,
		child: &child{spec: spec, out: out, cred: cred, cg: group, exited: make(chan struct{})},
		done:  make(chan struct{}),
	}, nil
}

// start executes the plugin, shakes hands through go-plugin and connects.
func (p *Process) start(ctx context.Context) error {
	go p.out.fwd.run()
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion:  pluginv1.ProtocolVersion,
			MagicCookieKey:   pluginv1.MagicCookieKey,
			MagicCookieValue: pluginv1.MagicCookieValue,
		},
		Plugins:          plugin.PluginSet{pluginv1.PluginName: nil},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		// Nothing it logs is missing from our errors and records, and a log
		// handler that hangs must not hold up a start.
		Logger:           hclog.NewNullLogger(),
		SkipHostEnv:      true,
		StartTimeout:     p.spec.StartTimeout,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: p.dir.path},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
			return newRunner(ctx, p.child, p.dir.path, cmd.Env), nil
		},
	})
	addr, err := client.Start()
	if p.child.pid > 0 {
		go p.finish()
	}
	if err != nil {
		return err
	}

	p.child.renewLimits()

	dial := &dialer{path: addr.String()}
	conn, err := newConn(dial, p.spec.DialOptions)
	if err != nil {
		return &stageError{StageConnect, err}
	}
	ready, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(p.life, func() { cancel(errExitedConnecting) })()
	if err := awaitReady(ready, conn); err != nil {
		_ = conn.Close()
		if errors.Is(err, errExitedConnecting) {
			return &stageError{StageConnect, err}
		}
		return &stageError{StageConnect, startTimedOut(ctx, dial.why().Error())}
	}
	if !p.attach(conn) {
		return &stageError{StageConnect, errExitedConnecting}
	}
	return nil
}

var errExitedConnecting = errors.New("it exited after the handshake, before it could be connected to")

// abandon clears up after a failed start and makes the error, which needs the
// complete output.
func (p *Process) abandon(err error) *StartError {
	se := &StartError{Plugin: p.spec.Name, Path: p.spec.Path, Stage: StageHandshake, Err: err}
	var staged *stageError
	if errors.As(err, &staged) {
		se.Stage, se.Err = staged.stage, staged.err
	}
	if p.child.pid == 0 { // never ran
		p.cancel()
		p.out.fwd.close()
		<-p.out.fwd.done
		p.child.cg.remove()
		p.dir.remove()
		return se
	}
	p.child.kill()
	<-p.done
	se.Stderr = p.exit.Stderr
	if errors.Is(se.Err, ErrNotAPlugin) || errors.Is(se.Err, errExitedConnecting) {
		se.Err = &exitedError{se.Err, p.exit}
	}
	return se
}

// exitedError is a reason to which the way the process ended belongs.
type exitedError struct {
	reason error
	exit   *ExitError
}

func (e *exitedError) Error() string   { return e.reason.Error() + ": it " + e.exit.Error() }
func (e *exitedError) Unwrap() []error { return []error{e.reason, e.exit} }
