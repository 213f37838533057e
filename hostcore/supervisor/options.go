package supervisor

import (
	"context"
	"log/slog"
	"time"

	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/hostcore/router"
)

// Group is what the supervisor needs of a [plugins.<group>] table.
type Group struct {
	Version       string // semver constraint; empty: any
	Disabled      bool
	AllowBreaking bool          // a swap may drop names, add required input or drop output
	Drain         time.Duration // how long running attempts may finish in a swap
	// Settings tells one configuration of the group from another: a quarantine
	// that was kept over a restart ends when they have changed.
	Settings string
}

// Launcher starts a binary and connects to it. The returned instance is
// described but not yet configured.
type Launcher interface {
	Launch(ctx context.Context, b plugin.Binary) (*plugin.Instance, error)
	// Configure hands over the group's configuration and waits until the plugin
	// is ready.
	Configure(ctx context.Context, i *plugin.Instance) error
}

// Finder lists the binaries that may run now, with their manifests, and the
// files that may not, with the reason.
type Finder interface {
	Find(ctx context.Context) ([]plugin.Binary, []Refusal)
}

// Refusal is a file that will not be run.
type Refusal struct {
	Path   string
	Digest string // empty when the file could not be read
	Err    error
	// Until is when the file is looked at again by itself, after it failed to
	// start; zero: when the folder changes.
	Until       time.Time
	Quarantined bool // it failed more than once
}

// Forgiver is a Finder that remembers files that failed to start. Forgive makes
// it try them all again.
type Forgiver interface{ Forgive() }

// Options are the parts and limits of a supervisor.
type Options struct {
	Finder   Finder
	Launcher Launcher
	Router   *router.Router
	Group    func(group string) Group
	Logger   *slog.Logger
	Event    func(Event) // one call per change; nil: none
	Limits   Limits
	// QuarantineFile keeps over a restart which versions were taken out of
	// service; empty: nothing does.
	QuarantineFile string
}

// Limits are the supervisor's times and counts; zero fields take the default.
type Limits struct {
	BackoffMin     time.Duration // 0.5 s
	BackoffMax     time.Duration // 60 s
	StableAfter    time.Duration // 60 s up: the back-off starts over
	Probation      time.Duration // 60 s
	FailureWindow  time.Duration // 2 min
	MaxFailures    int           // 5 in the window: quarantine
	QuarantineTime time.Duration // 10 min
	BringUp        time.Duration // 30 s to start, configure and become ready
	Drain          time.Duration // 30 s, unless the group says otherwise
	Grace          time.Duration // 10 s to clean up after a cancellation, and for SIGTERM
}

func (l Limits) withDefaults() Limits {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&l.BackoffMin, 500*time.Millisecond)
	def(&l.BackoffMax, time.Minute)
	def(&l.StableAfter, time.Minute)
	def(&l.Probation, time.Minute)
	def(&l.FailureWindow, 2*time.Minute)
	def(&l.QuarantineTime, 10*time.Minute)
	def(&l.BringUp, 30*time.Second)
	def(&l.Drain, 30*time.Second)
	def(&l.Grace, 10*time.Second)
	if l.MaxFailures <= 0 {
		l.MaxFailures = 5
	}
	return l
}
