package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
)

var _ runner.Runner = (*pluginRunner)(nil)

// pluginRunner is how go-plugin sees a child: Start returns when the handshake
// line is there and makes sense, and Stdout holds that line alone. Output and
// end of the process are not go-plugin's business here.
type pluginRunner struct {
	ctx   context.Context // of the whole start; go-plugin makes up its own
	child *child
	dir   string // for the socket
	env   []string
	line  string
}

// newRunner takes over the environment that go-plugin asks for, with the socket
// folder replaced by ours.
func newRunner(ctx context.Context, c *child, dir string, env []string) *pluginRunner {
	own := make([]string, 0, len(env))
	for _, kv := range env {
		if !strings.HasPrefix(kv, plugin.EnvUnixSocketDir+"=") && !strings.HasPrefix(kv, "PLUGIN_M") {
			own = append(own, kv)
		}
	}
	own = append(own, plugin.EnvUnixSocketDir+"="+dir)
	return &pluginRunner{ctx: ctx, child: c, dir: dir, env: own}
}

// stageError carries the stage of a failure through go-plugin.
type stageError struct {
	stage Stage
	err   error
}

func (e *stageError) Error() string { return e.err.Error() }
func (e *stageError) Unwrap() error { return e.err }

func (r *pluginRunner) Start(context.Context) error {
	c := r.child
	if err := c.spawn(r.env); err != nil {
		return &stageError{StageExec, explainExec(c.spec.Path, c.cred, err)}
	}
	select {
	case r.line = <-c.out.handshake:
	case <-c.exited:
		c.out.drain()
		select {
		case r.line = <-c.out.handshake:
		default:
			return &stageError{StageHandshake, ErrNotAPlugin}
		}
	case <-r.ctx.Done():
		return &stageError{StageHandshake, startTimedOut(r.ctx, "it ran, but sent no handshake line")}
	}
	if err := checkHandshake(r.line, r.dir); err != nil {
		return &stageError{StageHandshake, err}
	}
	return nil
}

// startTimedOut tells the start's own deadline from the caller's context.
func startTimedOut(ctx context.Context, what string) error {
	if cause := context.Cause(ctx); !errors.Is(cause, ErrStartTimeout) {
		return fmt.Errorf("%s when the start was given up: %w", what, cause)
	}
	return fmt.Errorf("%w: %s", context.Cause(ctx), what)
}

// timeoutCause is the cause of a start's context once it has expired.
func timeoutCause(d time.Duration) error { return fmt.Errorf("%w (%s)", ErrStartTimeout, d) }

func (r *pluginRunner) Stdout() io.ReadCloser {
	return io.NopCloser(strings.NewReader(r.line + "\n"))
}

func (r *pluginRunner) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

func (r *pluginRunner) Wait(context.Context) error {
	<-r.child.exited
	if e := r.child.exit; e.Code != 0 {
		return e
	}
	return nil
}

func (r *pluginRunner) Kill(context.Context) error                       { r.child.kill(); return nil }
func (r *pluginRunner) Diagnose(context.Context) string                  { return "" }
func (r *pluginRunner) Name() string                                     { return r.child.spec.Path }
func (r *pluginRunner) ID() string                                       { return strconv.Itoa(r.child.pid) }
func (r *pluginRunner) PluginToHost(n, a string) (string, string, error) { return n, a, nil }
func (r *pluginRunner) HostToPlugin(n, a string) (string, string, error) { return n, a, nil }
