package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// ProgressQuery is the query every workflow of the package answers with a Progress.
const ProgressQuery = "progress"

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

// Progress is how far a run has come. A run that completed with an error text is Failed.
type Progress struct {
	Workflow string `json:"workflow"`
	State    State  `json:"state"`
	Steps    []Step `json:"steps"`
	Result   string `json:"result,omitempty"`
	Error    string `json:"error,omitempty"`
}

// Step is one step of a run, named by the activity or the child workflow it runs.
type Step struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	// Attempt is the last attempt of a step that used all of them up, else 0: workflow code is not told about attempts.
	// The attempt of a running step stands in the pending activities of the run's description.
	Attempt int32 `json:"attempt,omitempty"`
	// Started is when the step was scheduled; zero when it was not.
	Started time.Time `json:"started,omitzero"`
	// TookMS is the time from scheduling to the end in milliseconds, retries included; 0 until the step ended.
	TookMS int64 `json:"took_ms,omitempty"`
	// Outcome is what the activity says it did, where its result says so: its "action", such as created or unchanged.
	Outcome string `json:"outcome,omitempty"`
	Error   string `json:"error,omitempty"`
}

// recorder keeps the progress of one run and shows it to the query and the Web UI.
type recorder struct {
	ctx    workflow.Context
	report Progress
}

func record(ctx workflow.Context, s spec) *recorder {
	r := &recorder{ctx: ctx, report: Progress{Workflow: s.name, State: Running, Steps: []Step{}}}
	for _, name := range s.steps() {
		r.report.Steps = append(r.report.Steps, Step{Name: name, State: Pending})
	}
	if err := workflow.SetQueryHandler(ctx, ProgressQuery, func() (Progress, error) { return r.report, nil }); err != nil {
		workflow.GetLogger(ctx).Error("the progress query is not answered", "error", err)
	}
	r.show()
	return r
}

// start records that a step runs, adding it when it was not foreseen, and returns what records its end: its failure
// with the outcome and, where that is known, the attempt that failed.
func (r *recorder) start(name string) (finish func(err error, attempt int32, outcome string)) {
	i := r.find(name)
	s := &r.report.Steps[i]
	s.State, s.Started = Running, workflow.Now(r.ctx)
	r.show()
	return func(err error, attempt int32, outcome string) {
		s := &r.report.Steps[i]
		s.Outcome = outcome
		s.TookMS = workflow.Now(r.ctx).Sub(s.Started).Milliseconds()
		s.State, s.Error, s.Attempt = stateOf(err), message(err), attempt
		r.show()
	}
}

// skip records that a step was left out on purpose.
func (r *recorder) skip(name string) {
	r.report.Steps[r.find(name)].State = Skipped
	r.show()
}

// overrule records that a step which ran to its end has failed all the same.
func (r *recorder) overrule(name string, err error) {
	for i := range r.report.Steps {
		if s := &r.report.Steps[i]; s.Name == name {
			s.State, s.Error = stateOf(err), message(err)
		}
	}
	r.show()
}

// find returns the place of the pending step of that name, a new one at the end when there is none.
func (r *recorder) find(name string) int {
	for i, s := range r.report.Steps {
		if s.Name == name && s.State == Pending {
			return i
		}
	}
	r.report.Steps = append(r.report.Steps, Step{Name: name, State: Pending})
	return len(r.report.Steps) - 1
}

// close records the end of the run. Steps that never ran are skipped.
func (r *recorder) close(err error, result string) {
	for i := range r.report.Steps {
		if r.report.Steps[i].State == Pending {
			r.report.Steps[i].State = Skipped
		}
	}
	r.report.State, r.report.Result, r.report.Error = stateOf(err), result, message(err)
	if err == nil && IsFailure(result) {
		r.report.State = Failed
	}
	r.show()
}

func stateOf(err error) State {
	switch {
	case err == nil:
		return OK
	case temporal.IsCanceledError(err):
		return Canceled
	}
	return Failed
}

// show draws the progress on the run's page of the Web UI.
func (r *recorder) show() {
	var text strings.Builder
	for _, s := range r.report.Steps {
		fmt.Fprintf(&text, "- %s `%s`", s.State, s.Name)
		if s.Error != "" {
			fmt.Fprintf(&text, ": %s", s.Error)
		}
		text.WriteByte('\n')
	}
	if r.report.Result != "" {
		fmt.Fprintf(&text, "\n%s\n", r.report.Result)
	}
	workflow.SetCurrentDetails(r.ctx, text.String())
}
