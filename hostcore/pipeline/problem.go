package pipeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a definition file or with the params given to a pipeline.
type Problem struct {
	// File is the definition file, as it was opened.
	File string
	// Line and Column point at the value, counted from 1; 0 when the place is not known.
	Line, Column int
	// Path names the value inside the file, such as steps[2].input.name.
	Path string
	// Message says what is wrong and what was expected.
	Message string
	// Hint says how to mend it; may be empty.
	Hint string
}

// String gives "file:line:column: path: message; hint", leaving out what is not known.
func (p Problem) String() string {
	var b strings.Builder
	switch {
	case p.File != "" && p.Line > 0:
		fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Line, p.Column)
	case p.File != "":
		fmt.Fprintf(&b, "%s: ", p.File)
	}
	if p.Path != "" {
		fmt.Fprintf(&b, "%s: ", p.Path)
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}

// Problems is everything that is wrong, in the order of the files. It is an error when it is not empty.
type Problems []Problem

// Error lists all problems, one on a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// orNil is ps as an error that is nil when there is no problem.
func (ps Problems) orNil() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// didYouMean names the known word nearest to the one written, or lists the known ones when they are few.
func didYouMean(written string, known []string) string {
	best, distance := "", len(written)/2+1
	for _, k := range known {
		if d := editDistance(strings.ToLower(written), strings.ToLower(k)); d < distance {
			best, distance = k, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("did you mean %q?", best)
	case len(known) == 0:
		return ""
	case len(known) <= 24:
		sorted := slices.Sorted(slices.Values(known))
		return "known: " + strings.Join(sorted, ", ")
	}
	return ""
}

// editDistance is the Levenshtein distance, with long words cut so that hostile input stays cheap.
func editDistance(a, b string) int {
	const limit = 64
	a, b = a[:min(len(a), limit)], b[:min(len(b), limit)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
