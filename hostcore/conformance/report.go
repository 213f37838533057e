package conformance

import (
	"errors"
	"fmt"
	"time"
)

// Status is how a case went.
type Status string

// What a case can end with.
const (
	Pass Status = "pass"
	Fail Status = "fail"
	Skip Status = "skip"
)

// Result is one case.
type Result struct {
	ID     string `json:"id"`   // stable, for scripts; "execute/greet"
	Name   string `json:"name"` // the rule that is checked, as a sentence
	Status Status `json:"status"`
	Detail string `json:"detail,omitempty"` // what was found wrong, why it was skipped, or a remark
	TookMS int64  `json:"took_ms"`
}

// Report is a whole run.
type Report struct {
	Binary  string   `json:"binary"`
	Plugin  string   `json:"plugin,omitempty"` // empty when it could not be asked
	Version string   `json:"version,omitempty"`
	Passed  int      `json:"passed"`
	Failed  int      `json:"failed"`
	Skipped int      `json:"skipped"`
	Cases   []Result `json:"cases"`
}

// OK says whether no case failed.
func (r *Report) OK() bool { return r.Failed == 0 }

func (r *Report) add(c Result) {
	r.Cases = append(r.Cases, c)
	switch c.Status {
	case Pass:
		r.Passed++
	case Fail:
		r.Failed++
	case Skip:
		r.Skipped++
	}
}

// skipped is why a case cannot be judged.
type skipped struct{ reason string }

func (s *skipped) Error() string { return s.reason }

func skip(format string, args ...any) error { return &skipped{fmt.Sprintf(format, args...)} }

// remark is something worth saying about a case that passed.
type remark struct{ text string }

func (r *remark) Error() string { return r.text }

func pass(format string, args ...any) error { return &remark{fmt.Sprintf(format, args...)} }

func resultOf(id, name string, began time.Time, err error) Result {
	r := Result{ID: id, Name: name, Status: Pass, TookMS: time.Since(began).Milliseconds()}
	var s *skipped
	var m *remark
	switch {
	case err == nil:
	case errors.As(err, &s):
		r.Status, r.Detail = Skip, s.reason
	case errors.As(err, &m):
		r.Detail = m.text
	default:
		r.Status, r.Detail = Fail, err.Error()
	}
	return r
}
