package progress

import (
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"
)

const (
	// maxSteps bounds what the query reports; a loop may run thousands of steps.
	maxSteps = 1000
	// maxShown bounds what the Web UI draws.
	maxShown = 60
)

// Recorder keeps the progress of one run. It belongs to one workflow, whose coroutines take turns.
type Recorder struct {
	ctx    workflow.Context
	report Progress
}

// Record begins a run's progress, with the steps that are foreseen as pending, and answers the query with it.
func Record(ctx workflow.Context, workflowType string, steps []string) *Recorder {
	r := &Recorder{ctx: ctx, report: Progress{Workflow: workflowType, State: Running}}
	if err := workflow.SetQueryHandler(ctx, Query, func() (Progress, error) { return r.snapshot(), nil }); err != nil {
		workflow.GetLogger(ctx).Error("the progress query is not answered", "error", err)
	}
	r.Foresee(steps)
	return r
}

// snapshot is what the query answers; it is encoded after the workflow has gone on.
func (r *Recorder) snapshot() Progress {
	p := r.report
	p.Steps = slices.Clone(p.Steps)
	return p
}

// Foresee replaces all steps by pending ones.
func (r *Recorder) Foresee(steps []string) {
	r.report.Steps = []Step{}
	for _, name := range steps[:min(len(steps), maxSteps)] {
		r.report.Steps = append(r.report.Steps, Step{Name: name, State: Pending})
	}
	r.show()
}

// Start records that a step runs, adding it when it was not foreseen, and returns what records its end.
func (r *Recorder) Start(name string) (finish func(End)) {
	i := r.pending(name)
	if i < 0 {
		return func(End) {}
	}
	r.report.Steps[i].State, r.report.Steps[i].Started = Running, workflow.Now(r.ctx)
	r.show()
	return func(e End) {
		s := &r.report.Steps[i]
		s.State, s.Error, s.Attempt, s.Outcome = e.State, e.Error, e.Attempt, e.Outcome
		s.TookMS = workflow.Now(r.ctx).Sub(s.Started).Milliseconds()
		r.show()
	}
}

// Skip records that a step was left out on purpose.
func (r *Recorder) Skip(name string) {
	if i := r.pending(name); i >= 0 {
		r.report.Steps[i].State = Skipped
		r.show()
	}
}

// Overrule gives a step that ran to its end another one: a health check that answered no has failed.
func (r *Recorder) Overrule(name string, e End) {
	for i := range r.report.Steps {
		if s := &r.report.Steps[i]; s.Name == name {
			s.State, s.Error = e.State, e.Error
		}
	}
	r.show()
}

// Close records the end of the run. Steps that never ran are skipped.
func (r *Recorder) Close(e End) {
	for i := range r.report.Steps {
		if r.report.Steps[i].State == Pending {
			r.report.Steps[i].State = Skipped
		}
	}
	r.report.State, r.report.Result, r.report.Error = e.State, e.Result, e.Error
	r.show()
}

// pending is the place of the pending step of that name, of a new one at the end when there is none; -1 when there is
// no room for it.
func (r *Recorder) pending(name string) int {
	for i, s := range r.report.Steps {
		if s.Name == name && s.State == Pending {
			return i
		}
	}
	if len(r.report.Steps) >= maxSteps {
		return -1
	}
	r.report.Steps = append(r.report.Steps, Step{Name: name, State: Pending})
	return len(r.report.Steps) - 1
}

// show draws the progress on the run's page of the Web UI.
func (r *Recorder) show() { workflow.SetCurrentDetails(r.ctx, r.report.markdown()) }

func (p Progress) markdown() string {
	var b strings.Builder
	for _, s := range p.Steps[:min(maxShown, len(p.Steps))] {
		fmt.Fprintf(&b, "- %s `%s`", s.State, s.Name)
		if s.Error != "" {
			fmt.Fprintf(&b, ": %.200s", s.Error)
		}
		b.WriteByte('\n')
	}
	if more := len(p.Steps) - maxShown; more > 0 {
		fmt.Fprintf(&b, "- and %d more\n", more)
	}
	if p.Result != "" {
		fmt.Fprintf(&b, "\n%.2000s\n", p.Result)
	}
	return b.String()
}
