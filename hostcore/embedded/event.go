package embedded

import "time"

// EventKind says what happened to the child.
type EventKind string

// The kinds of Event.
const (
	// Died: the child ended, or a start of it failed; it is started again
	// after Pause.
	Died EventKind = "died"
	// Restarted: a new child serves on the same ports and database.
	Restarted EventKind = "restarted"
	// GaveUp: there will be no further start; Done is closed next.
	GaveUp EventKind = "gave up"
)

// Event tells about the child after Start has returned.
type Event struct {
	Kind EventKind
	// Pid is the child that died or was started; 0 for a failed start.
	Pid int
	// Err is why it died: an *ExitError, a *StartError, or another.
	Err error
	// Pause is the time until the next start, for Died.
	Pause time.Duration
}
