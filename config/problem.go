package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with the configuration, and how to mend it.
type Problem struct {
	// File is where the value comes from: the file as the user named it, the environment variable ("ORCH_HOST__LISTEN"),
	// or the flag ("--listen").
	File string
	// Line and Column are the place in the file, from 1; 0 when the value comes from elsewhere.
	Line, Column int
	// Path is the key path ("services.chat.task_queue"); empty when the file could not be read that far.
	Path string
	// Message says what is wrong and what was expected.
	Message string
	// Hint says what to do; it may be empty.
	Hint string
}

// Error is the problem on one line: place, key path, message, hint.
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(place{file: p.File, line: p.Line, column: p.Column}.String())
	if p.Path != "" {
		b.WriteString(": " + p.Path)
	}
	b.WriteString(": " + p.Message)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}

// Problems is all that is wrong, in the order of the sources and of the lines. It is the error of [Load].
type Problems []Problem

// Error is one line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].Error()
	}
	return strings.Join(lines, "\n")
}

// sorted orders by source (file, environment, flags) and place.
func (p Problems) sorted() Problems {
	rank := func(q Problem) int {
		switch {
		case strings.HasPrefix(q.File, "--"):
			return 2
		case q.Line == 0:
			return 1
		}
		return 0
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Path, b.Path))
	})
	return p
}

// place is where a value comes from.
type place struct {
	file         string
	line, column int
}

func (p place) String() string {
	if p.line == 0 {
		return p.file
	}
	return fmt.Sprintf("%s:%d:%d", p.file, p.line, p.column)
}

// origins holds the place of every key path that a source sets, tables included.
type origins map[string]place

// report collects problems.
type report struct {
	problems Problems
	paths    map[string]bool // paths with a problem in any source
	around   map[string]bool // tables around these paths
	seen     map[string]bool // place and path
}

// add reports a problem unless the same source already has one at the path: what follows from it would only confuse.
func (r *report) add(from place, path *keyPath, message, hint string) {
	if r.seen == nil {
		r.seen, r.paths, r.around = map[string]bool{}, map[string]bool{}, map[string]bool{}
	}
	name := path.String()
	key := from.file + "\x00" + name
	if name != "" && r.seen[key] {
		return
	}
	r.seen[key], r.paths[name] = true, true
	for p := path; p != nil; p = p.parent {
		r.around[p.parent.String()] = true
	}
	r.problems = append(r.problems, Problem{File: from.file, Line: from.line, Column: from.column, Path: name, Message: message, Hint: hint})
}
