package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// ProgressQuery is the query every pipeline answers with a Progress.
const ProgressQuery = "progress"

// maxProgressSteps bounds what the query reports; foreach may run thousands of steps.
const maxProgressSteps = 1000

// State is where a step or a run stands.
type State string

// The states. Pending and Skipped are for steps only.
const (
	Pending  State = "pending"
	Running  State = "running"
	OK       State = "ok"
	Failed   State = "failed"
	Canceled State = "canceled"
	Skipped  State = "skipped"
)

// Progress is how far a run has come. A run that completed with a text that tells of a failure is Failed.
type Progress struct {
	Workflow string         `json:"workflow"`
	State    State          `json:"state"`
	Steps    []StepProgress `json:"steps"`
	// Result is the result's text: a string as it is, anything else as JSON.
	Result string `json:"result,omitempty"`
	Error  string `json:"error,omitempty"`
}

// StepProgress is one step of a run: an activity, or any step the file gives an id.
type StepProgress struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	// Attempt is the last attempt of a step that used all of them up, else 0: workflow code is not told about attempts.
	Attempt int32 `json:"attempt,omitempty"`
	// Started is when the step was scheduled; zero when it was not.
	Started time.Time `json:"started,omitzero"`
	// TookMS is the time from scheduling to the end in milliseconds, retries included; 0 until the step ended.
	TookMS int64  `json:"took_ms,omitempty"`
	Error  string `json:"error,omitempty"`
}

// recorder keeps the progress of one run. It is used by the coroutines of one workflow only, which take turns.
type recorder struct {
	report Progress
}

func newRecorder(workflow string, steps []string) *recorder {
	r := &recorder{report: Progress{Workflow: workflow, State: Running, Steps: []StepProgress{}}}
	for _, name := range steps {
		if len(r.report.Steps) < maxProgressSteps {
			r.report.Steps = append(r.report.Steps, StepProgress{Name: name, State: Pending})
		}
	}
	return r
}

// snapshot is what the query answers.
func (r *recorder) snapshot() Progress {
	out := r.report
	out.Steps = slices.Clone(out.Steps)
	return out
}

// find gives the place of a pending step, adding it when it was not foreseen; -1 when there is no room.
func (r *recorder) find(name string) int {
	for i, s := range r.report.Steps {
		if s.Name == name && s.State == Pending {
			return i
		}
	}
	if len(r.report.Steps) >= maxProgressSteps {
		return -1
	}
	r.report.Steps = append(r.report.Steps, StepProgress{Name: name, State: Pending})
	return len(r.report.Steps) - 1
}

// start records that a step runs and returns what records its end.
func (r *recorder) start(name string, now time.Time) (finish func(state State, message string, attempt int32, now time.Time)) {
	i := r.find(name)
	if i < 0 {
		return func(State, string, int32, time.Time) {}
	}
	r.report.Steps[i].State, r.report.Steps[i].Started = Running, now
	return func(state State, message string, attempt int32, now time.Time) {
		s := &r.report.Steps[i]
		s.State, s.Error, s.Attempt, s.TookMS = state, message, attempt, now.Sub(s.Started).Milliseconds()
	}
}

// skip records that a step was left out on purpose.
func (r *recorder) skip(name string) {
	if i := r.find(name); i >= 0 {
		r.report.Steps[i].State = Skipped
	}
}

// close records the end of the run. Steps that never ran are skipped.
func (r *recorder) close(state State, result, message string) {
	for i := range r.report.Steps {
		if r.report.Steps[i].State == Pending {
			r.report.Steps[i].State = Skipped
		}
	}
	r.report.State, r.report.Result, r.report.Error = state, result, message
}

// text draws the progress as Markdown for the run's page of the Web UI.
func (r *recorder) text() string {
	const shown = 60
	var b strings.Builder
	for _, s := range r.report.Steps[:min(shown, len(r.report.Steps))] {
		fmt.Fprintf(&b, "- %s `%s`", s.State, s.Name)
		if s.Error != "" {
			fmt.Fprintf(&b, ": %.200s", s.Error)
		}
		b.WriteByte('\n')
	}
	if more := len(r.report.Steps) - shown; more > 0 {
		fmt.Fprintf(&b, "- and %d more\n", more)
	}
	if r.report.Result != "" {
		fmt.Fprintf(&b, "\n%.2000s\n", r.report.Result)
	}
	return b.String()
}
