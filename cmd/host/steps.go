package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/orch-host/orch/hostcore/executor"
	"github.com/orch-host/orch/hostcore/progress"
)

// steps shows an execution: redrawn in place on a terminal, one line per change
// elsewhere, one JSON object per change with --json.
type steps struct {
	w     io.Writer
	json  bool
	live  bool
	color bool
	drawn int               // lines on the terminal
	seen  map[string]string // last line per step
	began bool
}

func newSteps(w io.Writer, json bool) *steps {
	f, ok := w.(*os.File)
	live := ok && !json && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
	return &steps{w: w, json: json, live: live, color: live && os.Getenv("NO_COLOR") == "", seen: map[string]string{}}
}

var marks = map[progress.State]string{
	progress.Pending: "·", progress.Running: "▸", progress.OK: "✓", progress.Failed: "✗", progress.Canceled: "⊘", progress.Skipped: "–",
}

var colors = map[progress.State]string{
	progress.Running: "\x1b[36m", progress.OK: "\x1b[32m", progress.Failed: "\x1b[31m", progress.Canceled: "\x1b[33m", progress.Pending: "\x1b[2m", progress.Skipped: "\x1b[2m",
}

// update shows a status if it differs from what is shown.
func (s *steps) update(st *executor.Status) {
	if s.json {
		s.changes(st, func(line string, step progress.Step) {
			_ = writeJSON(s.w, map[string]any{"service": st.Service, "step": step}) // a reader that has gone needs no steps
		})
		return
	}
	if !s.began {
		s.began = true
		fmt.Fprintf(s.w, "%s  %s  %s\n", st.Service, st.Workflow, st.WorkflowID)
	}
	if !s.live {
		s.changes(st, func(line string, step progress.Step) {
			if step.State != progress.Pending {
				fmt.Fprintln(s.w, line)
			}
		})
		return
	}
	s.redraw(st)
}

// changes calls show for every step whose line is new.
func (s *steps) changes(st *executor.Status, show func(string, progress.Step)) {
	if st.Progress == nil {
		return
	}
	for i, step := range st.Progress.Steps {
		key := fmt.Sprintf("%d/%s", i, step.Name)
		line := s.line(st, step, false)
		if state := string(step.State); s.seen[key] != state {
			s.seen[key] = state
			show(line, step)
		}
	}
}

func (s *steps) redraw(st *executor.Status) {
	if st.Progress == nil {
		return
	}
	var b strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.drawn)
	}
	for _, step := range st.Progress.Steps {
		fmt.Fprintf(&b, "\x1b[2K%s\n", s.line(st, step, true))
	}
	s.drawn = len(st.Progress.Steps)
	_, _ = io.WriteString(s.w, b.String()) // a terminal that has gone needs no steps
}

// line is one step: mark, name, time, and what went wrong or is going on.
func (s *steps) line(st *executor.Status, step progress.Step, live bool) string {
	text := fmt.Sprintf("  %s %s", marks[step.State], step.Name)
	took := time.Duration(step.TookMS) * time.Millisecond
	if step.State == progress.Running && live && !step.Started.IsZero() {
		took = time.Since(step.Started)
	}
	if took > 0 {
		text += "  " + took.Round(10*time.Millisecond).String()
	}
	if step.State == progress.Running {
		for _, p := range st.Pending {
			if p.Activity == step.Name && p.Attempt > 1 {
				text += fmt.Sprintf("  attempt %d, last: %s", p.Attempt, p.LastFailure)
			}
		}
	}
	if step.Outcome != "" {
		text += "  " + step.Outcome
	}
	if step.Error != "" {
		text += "  " + step.Error
	}
	if live {
		text = cut(text, s.w)
	}
	if c := colors[step.State]; s.color && c != "" {
		text = c + text + "\x1b[0m"
	}
	return text
}

// cut keeps a redrawn line on one line of the terminal.
func cut(text string, w io.Writer) string {
	f, ok := w.(*os.File)
	if !ok {
		return text
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if r := []rune(strings.ReplaceAll(text, "\n", " ")); err == nil && width > 10 && len(r) >= width {
		return string(r[:width-2]) + "…"
	}
	return strings.ReplaceAll(text, "\n", " ")
}

// verdict closes the display with the result or the error.
func (s *steps) verdict(st *executor.Status) {
	if s.json {
		_ = writeJSON(s.w, st) // a reader that has gone needs no verdict
		return
	}
	took := ""
	if !st.Closed.IsZero() {
		took = "  (" + st.Closed.Sub(st.Started).Round(10*time.Millisecond).String() + ")"
	}
	text, state := st.Result, progress.OK
	if st.Failed() {
		state = progress.Failed
		if st.Error != "" {
			text = st.State + ": " + st.Error
		}
	}
	if text == "" {
		text = st.State
	}
	if s.color {
		text = colors[state] + text + "\x1b[0m"
	}
	fmt.Fprintf(s.w, "%s %s%s\n", marks[state], text, took)
	if st.Failed() && st.WebUI != "" {
		fmt.Fprintf(s.w, "  %s\n", st.WebUI)
	}
}
