// Package progress is how far a run has come, as the run itself tells it: kept
// in workflow code by a Recorder, answered to the progress query, drawn on the
// run's page of the Web UI and by the command line. Workflows and declared
// pipelines share it. It never enters the history.
package progress

import "time"

// Query is the query that every run answers with a Progress.
const Query = "progress"

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
	Workflow string `json:"workflow"`
	State    State  `json:"state"`
	Steps    []Step `json:"steps"`
	// Result is the result's text: a string as it is, anything else as JSON.
	Result string `json:"result,omitempty"`
	Error  string `json:"error,omitempty"`
}

// Step is one step of a run: an activity, a child workflow, or whatever a pipeline gives an id.
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

// End is how a step or a run ended.
type End struct {
	State   State
	Error   string
	Attempt int32  // of a step; see Step
	Outcome string // of a step; see Step
	Result  string // of a run
}
