package pipeline

import (
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Bounds that keep a hostile or broken file from costing more than a moment.
const (
	maxFileSize = 256 << 10 // bytes, of a file and of the normalised definition
	maxNodes    = 50_000    // values after aliases are followed
	maxDepth    = 64        // nesting
)

// place is where a value stands in its file.
type place struct {
	line, column int
	// exact is set for a value on one line whose text can be counted into: column + n is its nth byte.
	exact bool
}

// source remembers where the values of a file stand. A nil source, as for a definition read back from history, knows
// no places.
type source struct {
	file   string
	keys   map[string]place
	values map[string]place
}

// problem makes a Problem that points at the value under path, or at its nearest parent that has a place.
func (s *source) problem(path, hint, format string, args ...any) Problem {
	p := Problem{Path: path, Message: fmt.Sprintf(format, args...), Hint: hint}
	if s == nil {
		return p
	}
	p.File = s.file
	for at := path; ; at = parentPath(at) {
		if v, ok := s.values[at]; ok {
			p.Line, p.Column = v.line, v.column
			return p
		}
		if at == "" {
			return p
		}
	}
}

// keyProblem points at the key rather than at the value under it.
func (s *source) keyProblem(path, hint, format string, args ...any) Problem {
	p := s.problem(path, hint, format, args...)
	if s != nil {
		if k, ok := s.keys[path]; ok {
			p.Line, p.Column = k.line, k.column
		}
	}
	return p
}

func parentPath(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

func childPath(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// parseYAML reads a file into plain values (nil, bool, int64, float64, string, []any, map[string]any).
func parseYAML(file string, data []byte) (any, *source, Problems) {
	s := &source{file: file, keys: map[string]place{}, values: map[string]place{}}
	decoder := yaml.NewDecoder(strings.NewReader(string(data)))
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, s, Problems{s.problem("", "write at least steps: with one step", "the file is empty")}
	case err != nil:
		return nil, s, Problems{s.syntax(data, err)}
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, s, Problems{s.problem("", "put each pipeline into a file of its own", "the file holds more than one document")}
	}
	r := &yamlReader{source: s}
	v := r.value(&document, "", 0)
	return v, s, r.problems
}

var yamlErrorLine = regexp.MustCompile(`line (\d+): `)

func (s *source) syntax(data []byte, err error) Problem {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	p := Problem{File: s.file}
	if m := yamlErrorLine.FindStringSubmatch(message); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		p.Column = 1
		message = strings.Replace(message, m[0], "", 1)
	}
	p.Message = "not valid YAML: " + message
	if strings.Contains(string(data), "${{") {
		p.Hint = `inside { } or [ ] an expression must be quoted: {name: "${{ params.name }}"}`
	}
	return p
}

type yamlReader struct {
	source   *source
	problems Problems
	nodes    int
}

func (r *yamlReader) refuse(n *yaml.Node, path, hint, format string, args ...any) {
	r.problems = append(r.problems, Problem{
		File: r.source.file, Line: n.Line, Column: n.Column, Path: path, Message: fmt.Sprintf(format, args...), Hint: hint,
	})
}

func (r *yamlReader) value(n *yaml.Node, path string, depth int) any {
	r.nodes++
	if r.nodes == maxNodes || depth == maxDepth {
		r.refuse(n, path, "split the pipeline", "more than %d values or %d levels of nesting", maxNodes, maxDepth)
	}
	if r.nodes >= maxNodes || depth >= maxDepth {
		return nil
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return r.value(n.Content[0], path, depth)
	case yaml.AliasNode:
		return r.value(n.Alias, path, depth+1)
	}
	r.source.values[path] = placeOf(n)
	switch n.Kind {
	case yaml.MappingNode:
		return r.mapping(n, path, depth)
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, c := range n.Content {
			list[i] = r.value(c, fmt.Sprintf("%s[%d]", path, i), depth+1)
		}
		return list
	}
	return r.scalar(n, path)
}

func placeOf(n *yaml.Node) place {
	p := place{line: n.Line, column: n.Column}
	switch n.Style {
	case 0:
		p.exact = !strings.Contains(n.Value, "\n")
	case yaml.SingleQuotedStyle, yaml.DoubleQuotedStyle:
		p.exact = !strings.ContainsAny(n.Value, "\n\\'\"")
		p.column++
	}
	return p
}

func (r *yamlReader) mapping(n *yaml.Node, path string, depth int) any {
	m := make(map[string]any, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		switch {
		case k.Kind != yaml.ScalarNode:
			r.refuse(k, path, "use a plain word as key", "a key must be text")
			continue
		case k.ShortTag() == "!!merge":
			r.refuse(k, path, "set shared options once under defaults:", "merge keys (<<) are not supported")
			continue
		}
		at := childPath(path, k.Value)
		if _, twice := m[k.Value]; twice {
			r.refuse(k, at, "remove one of them", "the key %q stands here twice", k.Value)
		}
		r.source.keys[at] = place{line: k.Line, column: k.Column}
		m[k.Value] = r.value(v, at, depth+1)
	}
	return m
}

func (r *yamlReader) scalar(n *yaml.Node, path string) any {
	switch tag := n.ShortTag(); tag {
	case "!!null":
		return nil
	case "!!bool", "!!int", "!!float":
		var v any
		if err := n.Decode(&v); err != nil {
			r.refuse(n, path, "quote it if it is text", "%q is no %s", n.Value, strings.TrimPrefix(tag, "!!"))
			return nil
		}
		switch v := v.(type) {
		case int:
			return int64(v)
		case float64:
			if math.IsNaN(v) || math.IsInf(v, 0) {
				r.refuse(n, path, "use a finite number", "%s cannot be written as JSON", n.Value)
				return nil
			}
			return v
		case uint64:
			return float64(v)
		default:
			return v
		}
	case "!!str", "!!timestamp":
		return n.Value
	default:
		r.refuse(n, path, "use text, a number, a list or a mapping", "values tagged %s are not supported", tag)
		return nil
	}
}
