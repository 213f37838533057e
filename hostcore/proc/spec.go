package proc

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"google.golang.org/grpc"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// DefaultStartTimeout is how long a plugin may take from exec to an open
// connection when Spec.StartTimeout is zero.
const DefaultStartTimeout = 10 * time.Second

// Spec says what to start and under which conditions.
type Spec struct {
	// Path of the binary, absolute. The caller has decided that it may run.
	Path string
	// Args after the program name; nil means "serve".
	Args []string
	// Name of the plugin in errors and logs; empty means the file's name.
	Name string
	// Env is the complete environment as KEY=value. Nothing of the host's own is
	// added but what the handshake needs and, with a memory limit, GOMEMLIMIT.
	Env []string
	// Dir is the working directory; empty means the host's.
	Dir string
	// RuntimeDir is the folder in which the private socket folder is made. It is
	// created with mode 0700 when missing. Keep it short: a unix socket's path
	// holds 107 bytes.
	RuntimeDir string
	// Limits of the process; the zero value sets none.
	Limits Limits
	// Cgroups enforces limits by cgroup v2; nil where that is not delegated.
	Cgroups *Cgroups
	// Logger receives the plugin's output as records; nil discards it.
	Logger *slog.Logger
	// LogSink receives the same lines raw, each with its newline, after the rate
	// bound. It is called from one goroutine and may be slow: lines are dropped
	// and counted rather than held. Nil means none.
	LogSink io.Writer
	// StartTimeout bounds exec to open connection; 0 means DefaultStartTimeout.
	StartTimeout time.Duration
	// DialOptions are added to the connection's, for example a stats handler.
	DialOptions []grpc.DialOption
}

// Limits bound what one plugin may take from the machine.
type Limits struct {
	// MemoryBytes is the memory the plugin may use; 0 means unlimited. Go plugins
	// are told by GOMEMLIMIT (90 %). With Cgroups the kernel enforces it, else a
	// data-segment limit of twice the amount plus 256 MiB stops a leak.
	MemoryBytes int64
	// OpenFiles is the highest number of open descriptors; 0 means the host's.
	OpenFiles uint64
	// RunAs is a user as "name", "uid" or "user:group" by names or numbers; empty means the host's own.
	// Only a host that runs as root can change it.
	RunAs string
}

// withDefaults checks the spec and fills in what was left out.
func (s Spec) withDefaults() (Spec, error) {
	if !filepath.IsAbs(s.Path) {
		return s, fmt.Errorf("the path %q is not absolute", s.Path)
	}
	if s.RuntimeDir == "" {
		return s, errors.New("no runtime folder was given for its socket")
	}
	if s.Name == "" {
		s.Name = filepath.Base(s.Path)
	}
	if s.Args == nil {
		s.Args = []string{pluginv1.ServeArg}
	}
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	if s.StartTimeout <= 0 {
		s.StartTimeout = DefaultStartTimeout
	}
	if s.Limits.MemoryBytes < 0 {
		return s, fmt.Errorf("the memory limit %d is negative", s.Limits.MemoryBytes)
	}
	return s, nil
}
