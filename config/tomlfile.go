package config

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// Limits of a file; far above what a person writes, and low enough that a wrong file is refused at once.
const (
	maxFileSize = 1 << 20
	maxDepth    = 32
	maxKeys     = 4000 // in one table: the parser's time grows with the square
)

// parseTOML reads the values of a file and the place of each key.
func parseTOML(name string, data []byte) (map[string]any, origins, *Problem) {
	if len(data) > maxFileSize {
		return nil, nil, &Problem{File: name, Line: 1, Column: 1, Message: fmt.Sprintf("the file has %d bytes, more than the %d that a configuration may have", len(data), maxFileSize)}
	}
	w := newTOMLWalk(name, append([]byte(nil), data...)) // the parser keeps slices of it
	// The walk goes first, since it bounds the depth. A syntax error stops it, and comes again with its place below.
	if p := w.walk(); p != nil {
		return nil, nil, p
	}
	values := map[string]any{}
	if err := toml.Unmarshal(w.data, &values); err != nil {
		return nil, nil, w.problem(err)
	}
	return values, w.places, nil
}

// tomlWalk notes the place of each key of a document.
type tomlWalk struct {
	name   string
	data   []byte
	lines  []int // offset of the start of each line
	starts []int // offset of the start of each expression
	places origins
	arrays map[string]int // number of elements so far of each array of tables
	keys   map[string]int // number of keys so far of each table
	limit  *Problem       // that was reached
}

func newTOMLWalk(name string, data []byte) *tomlWalk {
	w := &tomlWalk{name: name, data: data, lines: []int{0}, places: origins{}, arrays: map[string]int{}, keys: map[string]int{}}
	for i, c := range data {
		if c == '\n' {
			w.lines = append(w.lines, i+1)
		}
	}
	return w
}

func (w *tomlWalk) walk() *Problem {
	p := unstable.Parser{}
	p.Reset(w.data)
	var header *keyPath
	for w.limit == nil && p.NextExpression() {
		switch e := p.Expression(); e.Kind {
		case unstable.Table, unstable.ArrayTable:
			header = w.header(e)
		case unstable.KeyValue:
			w.keyValue(header, e)
		}
	}
	return w.limit
}

// header notes a [table] or [[table]] and gives its path, with the number of the element where it is one.
func (w *tomlWalk) header(e *unstable.Node) *keyPath {
	var p *keyPath
	first, keys := true, e.Key()
	for keys.Next() {
		k := keys.Node()
		if first {
			w.starts = append(w.starts, int(k.Raw.Offset))
			first = false
		}
		p = p.key(string(k.Data))
		if !w.note(p, k.Raw) {
			break
		}
		if keys.IsLast() && e.Kind == unstable.ArrayTable {
			w.arrays[p.String()]++
		}
		p = w.element(p)
		if !w.note(p, k.Raw) {
			break
		}
	}
	return p
}

// element is the latest element of an array of tables; other paths are returned as they are.
func (w *tomlWalk) element(p *keyPath) *keyPath {
	if n := w.arrays[p.String()]; n > 0 {
		return p.index(n - 1)
	}
	return p
}

// keyValue notes key = value and what is inside of the value.
func (w *tomlWalk) keyValue(header *keyPath, e *unstable.Node) {
	p, keys := header, e.Key()
	var at unstable.Range
	for keys.Next() {
		k := keys.Node()
		if p == header {
			w.starts = append(w.starts, int(k.Raw.Offset))
		}
		at = k.Raw
		p = p.key(string(k.Data))
		if !w.note(p, at) {
			return
		}
	}
	w.value(p, e.Value(), at)
}

func (w *tomlWalk) value(p *keyPath, v *unstable.Node, key unstable.Range) {
	children := v.Children()
	switch v.Kind {
	case unstable.Array:
		for i := 0; children.Next(); i++ {
			child := children.Node()
			item, at := p.index(i), child.Raw
			if at.Length == 0 { // lists and inline tables have no range of their own
				at = key
			}
			if !w.note(item, at) {
				return
			}
			w.value(item, child, at)
		}
	case unstable.InlineTable:
		for w.limit == nil && children.Next() {
			w.keyValue(p, children.Node())
		}
	}
}

// note keeps the first place of a path. It is false when the document is beyond a limit.
func (w *tomlWalk) note(p *keyPath, at unstable.Range) bool {
	if w.limit != nil {
		return false
	}
	name := p.String()
	if _, known := w.places[name]; known {
		return true
	}
	w.places[name] = w.at(int(at.Offset))
	message := ""
	if p.level() > maxDepth {
		message = fmt.Sprintf("tables are nested more than %d levels deep", maxDepth)
	}
	if parent := p.parent.String(); p.name[0] != '[' {
		if w.keys[parent]++; w.keys[parent] > maxKeys {
			message = fmt.Sprintf("there are more than %d keys in one table", maxKeys)
		}
	}
	if message != "" {
		from := w.places[name]
		w.limit = &Problem{File: from.file, Line: from.line, Column: from.column, Message: message}
	}
	return w.limit == nil
}

// at is the place of an offset; columns count characters, as editors do.
func (w *tomlWalk) at(offset int) place {
	offset = min(max(offset, 0), len(w.data))
	line := sort.SearchInts(w.lines, offset+1)
	return place{file: w.name, line: line, column: 1 + utf8.RuneCount(w.data[w.lines[line-1]:offset])}
}

// problem gives an error of the parser its place. Some carry none (a key that is defined twice); then the shortest
// beginning of the document that has the error ends with the expression that causes it.
func (w *tomlWalk) problem(err error) *Problem {
	message := strings.TrimPrefix(err.Error(), "toml: ")
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		line, column := decode.Position()
		return &Problem{File: w.name, Line: max(line, 1), Column: max(column, 1), Message: "not valid TOML: " + message}
	}
	sort.Ints(w.starts)
	i := sort.Search(len(w.starts), func(i int) bool {
		end := len(w.data)
		if i+1 < len(w.starts) {
			end = w.lines[w.at(w.starts[i+1]).line-1]
		}
		return toml.Unmarshal(w.data[:end], &map[string]any{}) != nil
	})
	at := place{file: w.name, line: 1, column: 1}
	if i < len(w.starts) {
		at = w.at(w.starts[i])
	}
	return &Problem{File: w.name, Line: at.line, Column: at.column, Message: "not valid TOML: " + message}
}
