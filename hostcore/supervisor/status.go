package supervisor

import (
	"log/slog"
	"time"

	"github.com/orch-host/orch/hostcore/plugin"
)

// State is where a plugin stands.
type State string

// States of a plugin.
const (
	Starting    State = "starting"    // being brought up for the first time or after a failure
	Ready       State = "ready"       // serves
	Degraded    State = "degraded"    // serves, and reports trouble
	Draining    State = "draining"    // finishes what runs, then stops
	Stopped     State = "stopped"     // not wanted
	Failed      State = "failed"      // will be started again after the back-off
	Quarantined State = "quarantined" // failed too often; waits for a reload or a new binary
	Refused     State = "refused"     // the file may not run, or offers nothing that can be used
)

// Status is what people see of a plugin or of a refused file.
type Status struct {
	Name       string    `json:"name"`
	Group      string    `json:"group,omitempty"`
	State      State     `json:"state"`
	Version    string    `json:"version,omitempty"`
	Digest     string    `json:"digest,omitempty"`
	Path       string    `json:"path"`
	Pid        int       `json:"pid,omitempty"`
	Since      time.Time `json:"since,omitzero"` // when the process was started
	Restarts   int       `json:"restarts"`
	Swaps      int       `json:"swaps"`
	InFlight   int       `json:"in_flight"`
	Draining   int       `json:"draining,omitempty"` // earlier versions that still finish attempts
	Activities []string  `json:"activities,omitempty"`
	Error      string    `json:"error,omitempty"`
	NextStart  time.Time `json:"next_start,omitzero"` // when a failed plugin is tried again
	Probation  bool      `json:"probation,omitempty"` // a new version on trial
	Previous   string    `json:"previous,omitempty"`  // version that a rollback goes back to
	Withdrawn  time.Time `json:"withdrawn,omitzero"`  // when it stopped being wanted
	Rejected   *Rejected `json:"rejected,omitempty"`  // the newer binary that was not taken, or taken back
}

// Rejected is a binary that was to take the place of one that serves and failed.
type Rejected struct {
	Version string    `json:"version,omitempty"`
	Digest  string    `json:"digest,omitempty"`
	Path    string    `json:"path"`
	Error   string    `json:"error"`
	Until   time.Time `json:"until,omitzero"` // end of its quarantine; zero: it is in none
}

// Event is one change of a plugin.
type Event struct {
	Time       time.Time `json:"time"`
	Plugin     string    `json:"plugin"`
	Kind       string    `json:"kind"` // started, swapped, rolled_back, crashed, refused, quarantined, withdrawn, degraded, recovered
	OldVersion string    `json:"old_version,omitempty"`
	OldDigest  string    `json:"old_digest,omitempty"`
	NewVersion string    `json:"new_version,omitempty"`
	NewDigest  string    `json:"new_digest,omitempty"`
	Error      string    `json:"error,omitempty"`
}

// logger is for records about a plugin. The name goes before the level is
// looked at: the plugin's own log holds also what the host does not print.
func (s *Supervisor) logger(name string) *slog.Logger { return s.o.Logger.With("plugin", name) }

func (s *Supervisor) event(kind, name string, old, next *plugin.Binary, err error) {
	e := Event{Time: time.Now(), Plugin: name, Kind: kind}
	attrs := []any{"event", kind}
	if old != nil {
		e.OldVersion, e.OldDigest = old.Manifest.GetVersion(), old.Digest
		attrs = append(attrs, "old_version", e.OldVersion, "old_digest", plugin.ShortDigest(e.OldDigest))
	}
	if next != nil {
		e.NewVersion, e.NewDigest = next.Manifest.GetVersion(), next.Digest
		attrs = append(attrs, "version", e.NewVersion, "digest", plugin.ShortDigest(e.NewDigest), "path", next.Source)
	}
	level := slog.LevelInfo
	if err != nil {
		e.Error = err.Error()
		attrs = append(attrs, "error", err)
		level = slog.LevelWarn
	}
	s.logger(name).Log(s.ctx, level, "plugin "+kind, attrs...)
	if s.o.Event != nil {
		s.o.Event(e)
	}
}
