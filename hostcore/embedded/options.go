package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Options configure Start.
type Options struct {
	// Binary is the devserver: a path, or a bare name to look for in PATH.
	// Default: "devserver" beside the running program, else in PATH.
	Binary string
	// StateDir is the folder that keeps the database, as temporal/temporal.db.
	// Required; created with mode 0700 when missing.
	StateDir string
	// IP is the listen address. Default 127.0.0.1. The server asks nobody for
	// a password.
	IP string
	// Port is the frontend's; default 7233.
	Port int
	// UIPort is the Web UI's; 0 for none. A busy one does not stop the server.
	UIPort int
	// Retention is how long closed workflows are kept; default 720h.
	Retention time.Duration
	// Namespaces to have; default "default".
	Namespaces []string
	// Logger gets the child's log lines; default slog.Default().
	Logger *slog.Logger
	// Events, when set, is told what happens to the child. It is called from
	// the supervising goroutine, one event after the other, and must return
	// soon.
	Events func(Event)
	// Restart says how often and how fast a dead child is started again.
	Restart Restart
	// StartTimeout bounds each start of the child; default 90 s. A start after a
	// kill reads queues again and may take seconds on a busy machine.
	StartTimeout time.Duration
}

func (o Options) complete() (Options, error) {
	if o.StateDir == "" {
		return o, errors.New("start the embedded Temporal server: no state folder given; set host.state_dir")
	}
	binary, err := findBinary(o.Binary)
	if err != nil {
		return o, err
	}
	o.Binary = binary
	if o.StateDir, err = filepath.Abs(o.StateDir); err != nil {
		return o, fmt.Errorf("find the state folder: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(o.database()), 0o700); err != nil {
		return o, fmt.Errorf("make the folder of the embedded database: %w", err)
	}
	if o.IP == "" {
		o.IP = "127.0.0.1"
	}
	if o.Port == 0 {
		o.Port = 7233
	}
	if o.Retention == 0 {
		o.Retention = 720 * time.Hour
	}
	if len(o.Namespaces) == 0 {
		o.Namespaces = []string{"default"}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = 90 * time.Second
	}
	o.Restart = o.Restart.complete()
	return o, nil
}

func (o Options) database() string { return filepath.Join(o.StateDir, "temporal", "temporal.db") }

// args is the child's command line; see devserver --help.
func (o Options) args() []string {
	out := []string{
		"--db", o.database(),
		"--ip", o.IP,
		"--port", strconv.Itoa(o.Port),
		"--ui-port", strconv.Itoa(o.UIPort),
		"--retention", o.Retention.String(),
		"--log-format", "json",
		"--log-level", o.childLevel(),
		"--ready-fd", strconv.Itoa(readyFD),
		"--parent-fd", strconv.Itoa(livenessFD),
	}
	for _, ns := range o.Namespaces {
		out = append(out, "--namespace", ns)
	}
	return out
}

// childLevel keeps the server's chatter out of an ordinary host log: what it
// calls info is what we call debug.
func (o Options) childLevel() string {
	if o.Logger.Enabled(context.Background(), slog.LevelDebug) {
		return "info"
	}
	return "warn"
}

// passed are the environment variables that the child may see.
var passed = [...]string{"PATH", "HOME", "TMPDIR", "SQLITE_TMPDIR", "TZ", "LANG", "LC_ALL",
	"GOMAXPROCS", "GOMEMLIMIT", "GOGC", "GODEBUG", "GOTRACEBACK"}

func childEnv(lookup func(string) (string, bool)) []string {
	out := []string{} // not nil: that would mean "everything"
	for _, name := range passed {
		if v, ok := lookup(name); ok {
			out = append(out, name+"="+v)
		}
	}
	return out
}

const binaryName = "devserver"

// findBinary resolves the configured binary, or finds one.
func findBinary(configured string) (string, error) {
	candidates := []string{configured}
	if configured == "" {
		candidates = nil
		if exe, err := os.Executable(); err == nil {
			candidates = append(candidates, filepath.Join(filepath.Dir(exe), binaryName))
		}
		candidates = append(candidates, binaryName)
	}
	missing := &BinaryError{}
	for _, c := range candidates {
		path, err := exec.LookPath(c)
		if err == nil {
			return filepath.Abs(path)
		}
		var lookup *exec.Error
		if errors.As(err, &lookup) {
			err = lookup.Err
		}
		var path2 *fs.PathError
		if errors.As(err, &path2) {
			err = path2.Err
		}
		missing.Err = err
		if !strings.ContainsRune(c, filepath.Separator) {
			c += " in PATH"
		}
		missing.Looked = append(missing.Looked, c)
	}
	return "", missing
}
