package proc

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"
)

// Stage is the step at which a start failed.
type Stage string

// Stages in the order they are passed.
const (
	StagePrepare   Stage = "prepare"   // the spec, the runtime folder, the limits
	StageExec      Stage = "exec"      // the kernel would not run the file
	StageHandshake Stage = "handshake" // it ran, but did not announce itself
	StageConnect   Stage = "connect"   // it announced a socket that cannot be used
)

// Reasons a start fails that a caller may decide by. A *StartError wraps one of
// them where it applies.
var (
	ErrNotExecutable   = errors.New("the file is not executable")
	ErrWrongFormat     = errors.New("the file cannot run on this machine")
	ErrNotAPlugin      = errors.New("it exited without announcing itself as a plugin")
	ErrBadHandshake    = errors.New("its handshake makes no sense")
	ErrProtocolVersion = errors.New("it speaks another version of the plugin protocol")
	ErrStartTimeout    = errors.New("it did not get ready in time")
)

// StartError tells why a plugin could not be started. Nothing of the attempt is
// left when it is returned.
type StartError struct {
	Plugin string // name of the plugin
	Path   string // file that was to run
	Stage  Stage
	Stderr string // what it printed last, the panic preferred; may be many lines
	Err    error
}

// Error is one line: plugin, file, reason and the telling line of the output.
func (e *StartError) Error() string {
	msg := fmt.Sprintf("plugin %s (%s) did not start: %v", e.Plugin, e.Path, e.Err)
	var exit *ExitError
	if line := tellingLine(e.Stderr); line != "" && !errors.As(e.Err, &exit) {
		msg += fmt.Sprintf("; it printed: %s", line)
	}
	return msg
}

// Unwrap returns the reason.
func (e *StartError) Unwrap() error { return e.Err }

// ExitError tells how a plugin process ended.
type ExitError struct {
	Code        int            // exit code, -1 when ended by a signal
	Signal      syscall.Signal // the signal that ended it, 0 for none
	Stderr      string         // what it printed last, the panic preferred
	Uptime      time.Duration
	Requested   bool // the host asked for it (Stop or Kill)
	OutOfMemory bool // the kernel killed it at its memory limit
}

// Error is one line: how it ended, after how long, and the telling line of the
// output.
func (e *ExitError) Error() string {
	var b strings.Builder
	switch {
	case e.OutOfMemory:
		b.WriteString("killed by the kernel at its memory limit")
	case e.Signal != 0:
		fmt.Fprintf(&b, "ended by signal %d (%s)", int(e.Signal), e.Signal)
	default:
		fmt.Fprintf(&b, "exited with code %d", e.Code)
	}
	fmt.Fprintf(&b, " after %s", roundUptime(e.Uptime))
	if line := tellingLine(e.Stderr); line != "" && !e.Requested {
		fmt.Fprintf(&b, "; it printed: %s", line)
	}
	return b.String()
}

// Clean says whether the process left with code 0 or because the host asked.
func (e *ExitError) Clean() bool { return e.Requested || (e.Code == 0 && e.Signal == 0) }

func roundUptime(d time.Duration) time.Duration {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond)
	case d < time.Minute:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}

// tellingLine picks the one line of an excerpt that belongs into a message: the
// first of a panic (Python: the last of a traceback), else the last line.
func tellingLine(excerpt string) string {
	lines := strings.Split(strings.TrimSpace(excerpt), "\n")
	if !isCrash([]byte(lines[0])) || strings.HasPrefix(lines[0], pythonCrash) {
		lines[0] = lines[len(lines)-1]
	}
	return shorten(strings.TrimSpace(lines[0]), 300)
}

// shorten cuts s to n bytes at a rune boundary and marks the cut.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "..."
}
