// Package report collects the figures of a benchmark: a table for people and
// bench/results.json for machines.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

// File is where the figures are written, from the top of the repository.
const File = "bench/results.json"

// Figure is one measured value. Met is nil for a figure without a goal.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Goal  string  `json:"goal,omitempty"`
	Met   *bool   `json:"met,omitempty"`
	Note  string  `json:"note,omitempty"`
}

// Report is the figures of one part, whose names all start with its prefix.
type Report struct {
	prefix  string
	figures []Figure
}

// New starts the report of a part.
func New(part string) *Report { return &Report{prefix: part + "/"} }

// Add notes a value without a goal.
func (r *Report) Add(name string, value float64, unit, note string) {
	r.figures = append(r.figures, Figure{Name: r.prefix + name, Value: value, Unit: unit, Note: note})
}

// AtMost notes a value that should not be above limit.
func (r *Report) AtMost(name string, value, limit float64, unit, note string) {
	met := value <= limit
	r.figures = append(r.figures, Figure{Name: r.prefix + name, Value: value, Unit: unit, Goal: fmt.Sprintf("<= %g", limit), Met: &met, Note: note})
}

// AtLeast notes a value that should not be below limit.
func (r *Report) AtLeast(name string, value, limit float64, unit, note string) {
	met := value >= limit
	r.figures = append(r.figures, Figure{Name: r.prefix + name, Value: value, Unit: unit, Goal: fmt.Sprintf(">= %g", limit), Met: &met, Note: note})
}

// Print writes the table.
func (r *Report) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "FIGURE\tVALUE\tUNIT\tGOAL\tMET\tNOTE")
	for _, f := range r.figures {
		met := ""
		if f.Met != nil {
			met = map[bool]string{true: "yes", false: "MISSED"}[*f.Met]
		}
		fmt.Fprintf(t, "%s\t%.3g\t%s\t%s\t%s\t%s\n", f.Name, f.Value, f.Unit, f.Goal, met, f.Note)
	}
	return t.Flush()
}

// Save puts the figures in place of this part's earlier ones in the file.
func (r *Report) Save() error {
	var all []Figure
	data, err := os.ReadFile(File)
	if err == nil {
		err = json.Unmarshal(data, &all)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the earlier figures: %w; remove %s", err, File)
	}
	all = slices.DeleteFunc(all, func(f Figure) bool { return strings.HasPrefix(f.Name, r.prefix) })
	if data, err = json.MarshalIndent(append(all, r.figures...), "", "  "); err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(File), 0o755); err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	if err := os.WriteFile(File, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	return nil
}
