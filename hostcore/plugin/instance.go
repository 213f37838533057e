package plugin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/orch-host/orch/hostcore/proc"
	"github.com/orch-host/orch/sdk/pluginv1"
)

// Process is the running plugin process behind an instance.
type Process interface {
	Conn() *grpc.ClientConn
	Pid() int
	Started() time.Time
	Done() <-chan struct{}
	ExitState() *proc.ExitError // nil while it runs
	Stop(ctx context.Context, grace time.Duration) error
}

var _ Process = (*proc.Process)(nil)

// Binary is a plugin file that may run.
type Binary struct {
	Source   string // the file as the user knows it
	Exec     string // the verified copy that is executed
	Digest   string // sha256, hex
	Size     int64
	Manifest *pluginv1.Manifest
	// Attached: somebody else runs it, and it comes and goes as they like.
	Attached bool
}

// Label is "name version (digest)", for messages.
func (b Binary) Label() string {
	return fmt.Sprintf("%s %s (%s)", b.Manifest.GetName(), b.Manifest.GetVersion(), ShortDigest(b.Digest))
}

// ShortDigest is the first twelve characters of a digest.
func ShortDigest(d string) string { return d[:min(12, len(d))] }

// Instance is a running plugin.
type Instance struct {
	Binary
	process Process
	client  pluginv1.PluginClient

	mu       sync.Mutex
	inFlight int
	draining bool
	idle     chan struct{} // closed when draining and nothing is in flight

	giveUp context.Context // done: running attempts are asked to give up
	ask    context.CancelFunc
	grace  time.Duration // how long they have; set before ask
}

// Connect asks a started process what it is.
func Connect(ctx context.Context, p Process, b Binary) (*Instance, error) {
	i := &Instance{Binary: b, process: p, client: pluginv1.NewPluginClient(p.Conn()), idle: make(chan struct{})}
	i.giveUp, i.ask = context.WithCancel(context.Background())
	m, err := i.client.Describe(ctx, &pluginv1.DescribeRequest{})
	if err != nil {
		return nil, fmt.Errorf("ask plugin %s what it offers: %w", b.Source, i.explain(err))
	}
	if err := CheckManifest(m); err != nil {
		return nil, fmt.Errorf("plugin %s: %w", b.Source, err)
	}
	i.Manifest = m
	return i, nil
}

// ConfigError is a configuration that the plugin refused.
type ConfigError struct {
	Group    string
	Problems []*pluginv1.Problem
}

func (e *ConfigError) Error() string {
	var lines []string
	for _, p := range e.Problems {
		path := "plugins." + e.Group + ".config"
		if p.GetPath() != "" {
			path += "." + p.GetPath()
		}
		lines = append(lines, path+": "+p.GetMessage())
	}
	return strings.Join(lines, "; ")
}

// Configure hands over the configuration as a JSON object.
func (i *Instance) Configure(ctx context.Context, config []byte, logLevel, stateDir string) error {
	resp, err := i.client.Configure(ctx, &pluginv1.ConfigureRequest{Config: config, LogLevel: logLevel, StateDir: stateDir})
	if err != nil {
		return fmt.Errorf("configure plugin %s: %w", i.Label(), i.explain(err))
	}
	if len(resp.GetProblems()) > 0 {
		return &ConfigError{Group: i.Manifest.GetGroup(), Problems: resp.GetProblems()}
	}
	return nil
}

// AwaitReady returns when the plugin says that it can serve.
func (i *Instance) AwaitReady(ctx context.Context) error {
	last := "it has not reported its health"
	err := i.Watch(ctx, func(s *pluginv1.Status) bool {
		last = strings.ToLower(s.GetHealth().String()) + " " + s.GetMessage()
		return s.GetHealth() != pluginv1.Status_READY && s.GetHealth() != pluginv1.Status_DEGRADED
	})
	if status.Code(err) == codes.Unimplemented {
		return nil // a plugin that pushes no health is ready once it is configured
	}
	if err != nil {
		return fmt.Errorf("plugin %s did not become ready (%s): %w", i.Label(), strings.TrimSpace(last), err)
	}
	return nil
}

// Watch calls report for every health that the plugin pushes, until report
// returns false (then the error is nil), ctx ends or the plugin goes.
func (i *Instance) Watch(ctx context.Context, report func(*pluginv1.Status) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := i.client.Watch(ctx, &pluginv1.WatchRequest{})
	if err != nil {
		return i.explain(err)
	}
	for {
		s, err := stream.Recv()
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return i.explain(err)
		}
		if !report(s) {
			return nil
		}
	}
}

// Acquire reserves the instance for one attempt; false when it is draining.
func (i *Instance) Acquire() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.draining {
		return false
	}
	i.inFlight++
	return true
}

// Release ends what Acquire began.
func (i *Instance) Release() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.inFlight--
	if i.draining && i.inFlight == 0 {
		close(i.idle)
	}
}

// InFlight is the number of attempts that run.
func (i *Instance) InFlight() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.inFlight
}

// Pid is the process id.
func (i *Instance) Pid() int { return i.process.Pid() }

// Started is when the process was started.
func (i *Instance) Started() time.Time { return i.process.Started() }

// Done is closed when the process has ended.
func (i *Instance) Done() <-chan struct{} { return i.process.Done() }

// Exit says how the process ended; nil while it runs.
func (i *Instance) Exit() *proc.ExitError { return i.process.ExitState() }

// DrainReport says how a drain went.
type DrainReport struct {
	Waited   time.Duration
	Canceled int // attempts that were asked to give up at the deadline
	Cut      int // attempts that had not answered when the grace was over
}

// Drain refuses further attempts and ends the process: running attempts have
// until deadline to finish, then grace to clean up.
func (i *Instance) Drain(ctx context.Context, deadline, grace time.Duration) DrainReport {
	began := time.Now()
	var r DrainReport
	i.mu.Lock()
	if !i.draining {
		i.draining = true
		if i.inFlight == 0 {
			close(i.idle)
		}
	}
	i.grace = grace
	i.mu.Unlock()
	if !waitFor(ctx, i.idle, i.Done(), deadline) {
		r.Canceled = i.InFlight()
		i.ask()
		if !waitFor(ctx, i.idle, i.Done(), grace) {
			r.Cut = i.InFlight()
		}
	}
	i.ask()
	i.drainProcess(ctx)
	_ = i.process.Stop(ctx, grace) // it returns whatever the process does; how it ended is in Exit
	r.Waited = time.Since(began)
	return r
}

// drainProcess tells the plugin itself that it is over, so that it can close
// what it holds before the signal comes.
func (i *Instance) drainProcess(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	stream, err := i.client.Drain(ctx, &pluginv1.DrainRequest{Deadline: durationpb.New(0)})
	for err == nil {
		_, err = stream.Recv()
	}
}

// Stop ends the process without waiting for attempts.
func (i *Instance) Stop(ctx context.Context, grace time.Duration) {
	i.ask()
	_ = i.process.Stop(ctx, grace) // it returns whatever the process does; how it ended is in Exit
}

func waitFor(ctx context.Context, done, gone <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-gone:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// CrashError says that the plugin process went away under an attempt or a call.
type CrashError struct {
	Plugin  string
	Version string
	Exit    *proc.ExitError // nil when it has not been seen to end
	Err     error
}

func (e *CrashError) Error() string {
	if e.Exit != nil {
		return fmt.Sprintf("plugin %s %s crashed: %v", e.Plugin, e.Version, e.Exit)
	}
	return fmt.Sprintf("the connection to plugin %s %s broke: %v", e.Plugin, e.Version, e.Err)
}

func (e *CrashError) Unwrap() error { return e.Err }

// explain turns an error of the transport into a CrashError when the process
// has ended or is about to: its exit is worth waiting a moment for.
func (i *Instance) explain(err error) error {
	if !connectionLost(err) {
		return err
	}
	select {
	case <-i.Done():
	case <-time.After(2 * time.Second):
	}
	crash := &CrashError{Plugin: i.Manifest.GetName(), Version: i.Manifest.GetVersion(), Exit: i.Exit(), Err: err}
	if crash.Plugin == "" {
		crash.Plugin = i.Source
	}
	return crash
}

// IsCrash says whether err means that the plugin process went away.
func IsCrash(err error) bool {
	var c *CrashError
	return errors.As(err, &c)
}
