package pipeline

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"time"
)

const (
	maxSteps       = 500
	maxExpressions = 2000

	unlimited         = "unlimited"
	compensateDone    = "done"
	compensateStarted = "started"
)

var (
	namePattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)
	idPattern   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,62}$`)
	wordPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,62}$`)
)

func topKeys() []string {
	return []string{"version", "name", "description", "args", "params", "defaults", "vars", "steps", "result", "on_failure"}
}

// decoder turns plain values into a definition and collects everything that is wrong on the way.
type decoder struct {
	lang     *lang
	source   *source // nil for a definition read back from history
	problems Problems
	ids      map[string]string // step id to path
	steps    int
	exprs    int
}

// block is what a list of steps inherits from where it stands.
type block struct {
	options options
	locals  []string // names its expressions see besides baseNames
	undo    bool     // inside compensate
}

func (b block) with(locals ...string) block {
	b.locals = slices.Concat(b.locals, locals)
	slices.Sort(b.locals)
	b.locals = slices.Compact(b.locals)
	return b
}

func (d *decoder) refuse(path, hint, format string, args ...any) {
	d.problems = append(d.problems, d.source.problem(path, hint, format, args...))
}

func (d *decoder) refuseKey(path, hint, format string, args ...any) {
	d.problems = append(d.problems, d.source.keyProblem(path, hint, format, args...))
}

// decode reads a definition. base is the name it must have.
func (d *decoder) decode(v any, base string) *definition {
	d.ids = map[string]string{}
	m, ok := d.object(v, "", topKeys())
	if !ok {
		return nil
	}
	def := &definition{name: base, params: &paramSpec{}}
	if name, given := m["name"]; given && d.str(name, "name") != base {
		d.refuse("name", fmt.Sprintf("write name: %s, leave it out, or rename the file", base), "the name must be that of the file, %q", base)
	}
	if version, given := m["version"]; given && version != int64(SchemaVersion) {
		d.refuse("version", fmt.Sprintf("write version: %d or leave it out", SchemaVersion), "unknown format version %s", text(version))
	}
	if about, given := m["description"]; given {
		def.description = d.str(about, "description")
	}
	d.params(def.params, m)
	b := block{options: defaultOptions()}
	if v, given := m["defaults"]; given {
		if o, ok := d.object(v, "defaults", optionKeys()); ok {
			b.options = d.options(o, "defaults", b)
		}
	}
	if v, given := m["vars"]; given {
		def.vars = d.variables(v, "vars", b)
	}
	if v, given := m["steps"]; given {
		def.steps = d.list(v, "steps", b)
	} else {
		d.refuse("", "add steps: with at least one step", "steps are missing")
	}
	if v, given := m["result"]; given {
		def.result = d.template(v, "result", b)
	}
	if v, given := m["on_failure"]; given {
		def.onFailure = d.oneOrMore(v, "on_failure", b.with("error"))
	}
	return def
}

func (d *decoder) params(p *paramSpec, m map[string]any) {
	if v, given := m["args"]; given {
		p.args = d.words(v, "args", wordPattern)
	}
	v, given := m["params"]
	if !given {
		return
	}
	schema, ok := v.(map[string]any)
	if !ok {
		d.refuse("params", "write a JSON Schema: {required: [...], properties: {...}}", "params must be an object, this is %s", kindOf(v))
		return
	}
	p.raw = schema
	if _, err := p.compiled(); err != nil {
		d.refuse("params", "", "not a valid JSON Schema: %v", err)
	}
}

// object checks that v is an object with known keys only.
func (d *decoder) object(v any, path string, known []string) (map[string]any, bool) {
	m, ok := v.(map[string]any)
	if !ok {
		d.refuse(path, "known keys: "+fmt.Sprint(known), "must be a mapping, this is %s", kindOf(v))
		return nil, false
	}
	for _, k := range sortedKeys(m) {
		if !slices.Contains(known, k) {
			d.refuseKey(childPath(path, k), didYouMean(k, known), "unknown key %q", k)
		}
	}
	return m, true
}

func (d *decoder) str(v any, path string) string {
	s, ok := v.(string)
	if !ok {
		d.refuse(path, "quote it if it is text", "must be text, this is %s", kindOf(v))
	}
	return s
}

func (d *decoder) word(v any, path string, pattern *regexp.Regexp) string {
	s, ok := v.(string)
	if !ok || !pattern.MatchString(s) {
		d.refuse(path, "begin with a letter and use letters, digits and _ only", "%s is not a usable name", canonical(v))
		return ""
	}
	return s
}

func (d *decoder) words(v any, path string, pattern *regexp.Regexp) []string {
	list, ok := v.([]any)
	if !ok {
		d.refuse(path, "write [a, b]", "must be a list of names, this is %s", kindOf(v))
		return nil
	}
	var out []string
	for i, e := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		w := d.word(e, at, pattern)
		if slices.Contains(out, w) && w != "" {
			d.refuse(at, "remove one of them", "the name %q stands here twice", w)
		}
		out = append(out, w)
	}
	return out
}

// duration reads "1h30m" or a number of seconds.
func (d *decoder) duration(v any, path string, least time.Duration) time.Duration {
	out, err := toDuration(v)
	switch {
	case err != nil:
		d.refuse(path, "write a number and a unit: 500ms, 30s, 5m or 1h30m", "%v", err)
	case out < least:
		d.refuse(path, fmt.Sprintf("write %s or more", least), "%s is too short", out)
	}
	return out
}

// toDuration reads a duration text such as 1m30s, or a number of seconds.
func toDuration(v any) (time.Duration, error) {
	var seconds float64
	switch v := v.(type) {
	case string:
		out, err := time.ParseDuration(v)
		if err != nil {
			return 0, fmt.Errorf("%q is not a duration", v)
		}
		return out, nil
	case int64:
		seconds = float64(v)
	case float64:
		seconds = v
	default:
		return 0, fmt.Errorf("a duration is expected, this is %s", kindOf(v))
	}
	const year = 366 * 24 * 3600
	if math.Abs(seconds) > 100*year {
		return 0, fmt.Errorf("%v seconds is out of range", seconds)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

func (d *decoder) integer(v any, path string, least, most int64) int {
	n, ok := v.(int64)
	if !ok || n < least || n > most {
		d.refuse(path, "", "must be a whole number from %d to %d, this is %s", least, most, canonical(v))
		return int(least)
	}
	return int(n)
}

// variables reads a mapping of variable names to values.
func (d *decoder) variables(v any, path string, b block) map[string]*template {
	m, ok := v.(map[string]any)
	if !ok {
		d.refuse(path, "write name: value", "must be a mapping of variables, this is %s", kindOf(v))
		return nil
	}
	out := make(map[string]*template, len(m))
	for _, name := range sortedKeys(m) {
		at := childPath(path, name)
		if !wordPattern.MatchString(name) {
			d.refuseKey(at, "begin with a letter and use letters, digits and _ only", "%q is not a usable variable name", name)
		}
		out[name] = d.template(m[name], at, b)
	}
	return out
}

// template reads a value that may hold expressions.
func (d *decoder) template(v any, path string, b block) *template {
	t := &template{raw: v, literal: v, static: true}
	switch v := v.(type) {
	case string:
		d.textTemplate(t, v, path, b)
	case []any:
		list := make([]*template, len(v))
		for i, e := range v {
			list[i] = d.template(e, fmt.Sprintf("%s[%d]", path, i), b)
			t.static = t.static && list[i].static
		}
		t.list, t.literal = list, nil
		if t.static {
			t.list, t.literal = nil, literals(list)
		}
	case map[string]any:
		fields := make(map[string]*template, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			fields[k] = d.template(v[k], childPath(path, k), b)
			t.static = t.static && fields[k].static
		}
		t.fields, t.literal = fields, nil
		if t.static {
			t.fields, t.literal = nil, staticFields(fields)
		}
	}
	return t
}

// staticFields rebuilds a map without expressions, in which an escaped ${{ has become a plain one.
func staticFields(fields map[string]*template) map[string]any {
	m := make(map[string]any, len(fields))
	for k, f := range fields {
		m[k] = f.literal
	}
	return m
}

func literals(list []*template) []any {
	out := make([]any, len(list))
	for i, t := range list {
		out[i] = t.literal
	}
	return out
}

func (d *decoder) textTemplate(t *template, s, path string, b block) {
	segments, err := split(s)
	if err != nil {
		d.refuse(path, "close it with }}; write $${{ for a literal ${{", "%v", err)
		return
	}
	if len(segments) == 1 && segments[0].isExpr {
		t.static, t.expr = false, d.expr(segments[0], path, b)
		return
	}
	literal := ""
	for _, seg := range segments {
		part := &template{static: !seg.isExpr, literal: seg.text}
		if seg.isExpr {
			part.expr = d.expr(seg, path, b)
			t.static = false
		}
		literal += seg.text
		t.parts = append(t.parts, part)
	}
	if t.static {
		t.parts, t.literal = nil, literal
	}
}

func (d *decoder) expr(seg segment, path string, b block) *expr {
	d.exprs++
	if d.exprs == maxExpressions+1 {
		d.refuse(path, "split the pipeline", "more than %d expressions", maxExpressions)
	}
	if seg.text == "" {
		d.refuse(path, "write ${{ params.name }}", "the expression is empty")
	}
	return &expr{lang: d.lang, src: seg.text, path: path, offset: seg.offset, locals: b.locals}
}

// bare reads a value that is an expression with or without ${{ }} around it.
func (d *decoder) bare(v any, path string, b block) *template {
	s, ok := v.(string)
	if !ok {
		return d.template(v, path, b)
	}
	segments, err := split(s)
	if err == nil && len(segments) == 1 && !segments[0].isExpr {
		return &template{raw: v, expr: d.expr(segment{text: s, isExpr: true}, path, b)}
	}
	return d.template(v, path, b)
}
