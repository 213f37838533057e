package embedded

import (
	"fmt"
	"strings"
)

// AlreadyRunningError says that another process serves this very database and
// answers. The caller may use it as it would use a server of its own, except
// that nobody here restarts it.
type AlreadyRunningError struct {
	// Address is the frontend, host:port; UI the URL of the Web UI or empty.
	Address, UI string
	// Pid is the serving process.
	Pid int
}

func (e *AlreadyRunningError) Error() string {
	return fmt.Sprintf("the embedded Temporal server is already running at %s by process %d", e.Address, e.Pid)
}

// BinaryError says that there is no devserver to run.
type BinaryError struct {
	// Looked lists the places, Err is the last finding.
	Looked []string
	Err    error
}

func (e *BinaryError) Error() string {
	return fmt.Sprintf("find the devserver binary of the embedded Temporal server: %v (looked for %s); "+
		"build it with: make devserver; or set temporal.embedded.binary, or temporal.mode = \"external\"",
		e.Err, strings.Join(e.Looked, " and "))
}

func (e *BinaryError) Unwrap() error { return e.Err }

// Kinds of StartError, as the devserver names them.
const (
	KindLocked   = "locked"    // another process holds the database
	KindPort     = "port"      // a port cannot be used
	KindVersion  = "version"   // the database belongs to another server version
	KindStaleLog = "stale_log" // a write-ahead log lies there without its database
	KindUnusable = "unusable"  // the server runs and does no work
	KindOther    = "other"     // anything else the devserver said
	KindDied     = "died"      // it ended, or hung, without saying why
)

// StartError says why the devserver did not get to serve.
type StartError struct {
	// Kind is one of the constants above, Message the devserver's own words.
	Kind, Message string
	// Stderr is the end of what it wrote, for KindDied and KindOther.
	Stderr string
}

func (e *StartError) Error() string {
	msg := "start the embedded Temporal server: " + e.Message
	if e.Stderr != "" && (e.Kind == KindDied || e.Kind == KindOther) {
		msg += "; its last words:\n" + strings.TrimRight(e.Stderr, "\n")
	}
	return msg
}

// permanent reports whether another try would end the same way.
func (e *StartError) permanent() bool {
	switch e.Kind {
	case KindVersion, KindStaleLog, KindUnusable:
		return true
	}
	return false
}

// ExitError says that a devserver that served has ended by itself.
type ExitError struct {
	Pid int
	// Status is the exit status in words; Stderr the end of what it wrote.
	Status, Stderr string
}

func (e *ExitError) Error() string {
	msg := fmt.Sprintf("embedded Temporal server (process %d) ended: %s", e.Pid, e.Status)
	if e.Stderr != "" {
		msg += "; its last words:\n" + strings.TrimRight(e.Stderr, "\n")
	}
	return msg
}
