package pipeline

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// template is a value of a definition that may hold expressions. A string that is one ${{ expression }} takes the type
// of its result; expressions inside a longer string are joined into it as text.
type template struct {
	raw     any  // as written
	literal any  // the value, when static
	static  bool // holds no expression
	expr    *expr
	parts   []*template // of a string
	list    []*template
	fields  map[string]*template
}

// eval gives the template's value.
func (t *template) eval(variables map[string]any) (any, error) {
	switch {
	case t == nil:
		return nil, nil
	case t.static:
		return t.literal, nil
	case t.expr != nil:
		return t.expr.eval(variables)
	case t.parts != nil:
		var b strings.Builder
		for _, p := range t.parts {
			v, err := p.eval(variables)
			if err != nil {
				return nil, err
			}
			b.WriteString(text(v))
		}
		return b.String(), nil
	case t.list != nil:
		out := make([]any, len(t.list))
		for i, e := range t.list {
			v, err := e.eval(variables)
			if err != nil {
				return nil, err
			}
			out[i] = v
		}
		return out, nil
	}
	out := make(map[string]any, len(t.fields))
	for _, k := range slices.Sorted(maps.Keys(t.fields)) {
		v, err := t.fields[k].eval(variables)
		if err != nil {
			return nil, err
		}
		out[k] = v
	}
	return out, nil
}

// walk calls fn for every expression in the template.
func (t *template) walk(fn func(*expr)) {
	if t == nil || t.static {
		return
	}
	if t.expr != nil {
		fn(t.expr)
	}
	for _, p := range t.parts {
		p.walk(fn)
	}
	for _, e := range t.list {
		e.walk(fn)
	}
	for _, k := range slices.Sorted(maps.Keys(t.fields)) {
		t.fields[k].walk(fn)
	}
}

// segment is a piece of a string: literal text, or the source of an expression with the place it begins at.
type segment struct {
	text   string
	isExpr bool
	offset int
}

const exprOpen, exprClose, exprEscape = "${{", "}}", "$${{"

// split cuts a string into text and expressions. $${{ stands for a literal ${{.
func split(s string) ([]segment, error) {
	var (
		out     []segment
		literal strings.Builder
	)
	flush := func() {
		if literal.Len() > 0 {
			out = append(out, segment{text: literal.String()})
			literal.Reset()
		}
	}
	for i := 0; i < len(s); {
		switch {
		case strings.HasPrefix(s[i:], exprEscape):
			literal.WriteString(exprOpen)
			i += len(exprEscape)
		case strings.HasPrefix(s[i:], exprOpen):
			begin := i + len(exprOpen)
			end := exprEnd(s, begin)
			if end < 0 {
				return nil, fmt.Errorf("the expression that begins at character %d is not closed", i+1)
			}
			flush()
			src := s[begin:end]
			trimmed := strings.TrimLeft(src, " \t\r\n")
			offset := begin + len(src) - len(trimmed)
			out = append(out, segment{text: strings.TrimSpace(src), isExpr: true, offset: offset})
			i = end + len(exprClose)
		default:
			literal.WriteByte(s[i])
			i++
		}
	}
	flush()
	return out, nil
}

// exprEnd finds the }} that closes the expression beginning at i: not one inside a CEL string or map literal.
func exprEnd(s string, i int) int {
	depth := 0
	for i < len(s) {
		switch c := s[i]; c {
		case '"', '\'':
			i = stringEnd(s, i)
			if i < 0 {
				return -1
			}
			continue
		case '{', '[', '(':
			depth++
		case ')', ']':
			depth--
		case '}':
			if depth <= 0 && strings.HasPrefix(s[i:], exprClose) {
				return i
			}
			depth--
		}
		i++
	}
	return -1
}

// stringEnd is the index after the CEL string literal that begins at i, or -1.
func stringEnd(s string, i int) int {
	quote := s[i : i+1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(s[i:], triple) {
		quote = triple
	}
	raw := i > 0 && (s[i-1] == 'r' || s[i-1] == 'R')
	for j := i + len(quote); j < len(s); j++ {
		if s[j] == '\\' && !raw {
			j++
		} else if strings.HasPrefix(s[j:], quote) {
			return j + len(quote)
		}
	}
	return -1
}
