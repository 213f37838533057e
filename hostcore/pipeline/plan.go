package pipeline

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"cel.dev/cel-go/common/ast"
)

// Plan tells what a run with these params would do, without doing it: steps in order, timeouts, retries and what takes
// them back. Values that depend on the params alone are shown as they would be; those that depend on results are shown
// as expressions. The error is a Problems value when the params do not fit.
func Plan(p *Pipeline, params any) (string, error) {
	given, err := decodeJSON([]byte(canonical(params)))
	if err != nil {
		return "", fmt.Errorf("plan %s: read the params: %w", p.Name(), err)
	}
	resolved, problems := p.def.params.resolve([]any{given})
	if len(problems) > 0 {
		return "", problems
	}
	pl := &planner{known: map[string]bool{}, variables: map[string]any{
		"params": resolved, "vars": map[string]any{}, "workflow": map[string]any{}, "now": time.Time{},
	}}
	pl.learn(p.def)
	pl.line(0, "%s (definition %s)", p.Type(), p.sha256[:12])
	pl.line(0, "params: %s", short(canonical(resolved)))
	pl.list(p.def.steps, 0)
	if p.def.result != nil {
		pl.line(0, "result: %s", pl.show(p.def.result))
	}
	if len(p.def.onFailure) > 0 {
		pl.line(0, "on failure:")
		pl.list(p.def.onFailure, 1)
	}
	return pl.b.String(), nil
}

type planner struct {
	b         strings.Builder
	n         int
	variables map[string]any
	known     map[string]bool // variables whose value no step changes
}

func (pl *planner) line(depth int, format string, args ...any) {
	fmt.Fprintf(&pl.b, strings.Repeat("    ", depth)+format+"\n", args...)
}

// learn evaluates the variables that stay as they are declared.
func (pl *planner) learn(d *definition) {
	changed := map[string]bool{}
	walk(func(s *step) { s.writes(changed) }, d.steps, d.onFailure)
	vars := map[string]any{}
	for _, name := range sortedKeys(d.vars) {
		if v, ok := pl.value(d.vars[name]); ok && !changed[name] {
			vars[name] = v
		}
	}
	for name := range vars {
		pl.known[name] = true
	}
	pl.variables["vars"] = vars
}

// value is what a template gives, when that can be told before the run.
func (pl *planner) value(t *template) (any, bool) {
	settled := true
	t.walk(func(e *expr) { settled = settled && pl.settled(e) })
	if !settled {
		return nil, false
	}
	v, err := t.eval(maps.Clone(pl.variables))
	return v, err == nil
}

// settled reports whether an expression depends on params and known variables only.
func (pl *planner) settled(e *expr) bool {
	env, err := e.lang.env(e.locals)
	if err != nil {
		return false
	}
	parsed, issues := env.Parse(e.src)
	if issues.Err() != nil {
		return false
	}
	ok := true
	selected := map[int64]bool{} // uses of vars that name a known variable
	ast.PostOrderVisit(parsed.NativeRep().Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		if root, field, is := selection(x); is && root == "vars" && pl.known[field] {
			switch x.Kind() {
			case ast.SelectKind:
				selected[x.AsSelect().Operand().ID()] = true
			case ast.CallKind:
				selected[x.AsCall().Args()[0].ID()] = true
			}
		}
	}))
	free := append([]string{"workflow", "now", "error", "index"}, e.locals...)
	ast.PostOrderVisit(parsed.NativeRep().Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		if x.Kind() != ast.IdentKind {
			return
		}
		name := x.AsIdent()
		if name == "vars" && !selected[x.ID()] {
			ok = false
		}
		for _, f := range free {
			ok = ok && name != f
		}
	}))
	return ok
}

func (pl *planner) show(t *template) string {
	if v, ok := pl.value(t); ok {
		return short(canonical(v))
	}
	return short(canonical(t.raw))
}

func (pl *planner) list(list []*step, depth int) {
	for _, s := range list {
		if pl.step(s, depth) {
			return
		}
	}
}

// step shows one step and reports whether it ends the list for certain.
func (pl *planner) step(s *step, depth int) bool {
	note, certain := "", s.when == nil
	if s.when != nil {
		note = fmt.Sprintf("  [when %s]", condition(s.when))
		if v, ok := pl.value(s.when); ok && v == false {
			pl.line(depth, "-  %s  [skipped: %s is false]", short(s.summary()), condition(s.when))
			return false
		} else if ok && v == true {
			note, certain = "", true
		}
	}
	pl.n++
	pl.line(depth, "%d. %s%s", pl.n, short(s.summary()), note)
	switch {
	case s.input != nil:
		pl.line(depth+1, "input: %s", pl.show(s.input))
	case len(s.args) > 0:
		for i, a := range s.args {
			pl.line(depth+1, "argument %d: %s", i+1, pl.show(a))
		}
	}
	if s.kind == kindActivity {
		pl.line(depth+1, "%s", s.options.text())
		if s.options.queue != nil {
			pl.line(depth+1, "queue: %s", pl.show(s.options.queue))
		}
	}
	if s.kind == kindForeach {
		if v, ok := pl.value(s.foreach); ok {
			items, _ := v.([]any)
			pl.line(depth+1, "%d items: %s", len(items), short(canonical(v)))
		}
	}
	if s.save != "" {
		pl.line(depth+1, "saved as vars.%s", s.save)
	}
	pl.list(s.steps, depth+1)
	if len(s.catch) > 0 {
		pl.line(depth+1, "when it fails:")
		pl.list(s.catch, depth+2)
	}
	if len(s.compensate) > 0 {
		pl.line(depth+1, "taken back by:")
		pl.list(s.compensate, depth+2)
	}
	return certain && (s.kind == kindReturn || s.kind == kindFail)
}

// text says how an activity is run.
func (o options) text() string {
	attempts := fmt.Sprintf("%d attempts", o.retry.attempts)
	switch o.retry.attempts {
	case 0:
		attempts = "unlimited attempts"
	case 1:
		return fmt.Sprintf("timeout %s, heartbeat %s, 1 attempt", o.timeout, durationOr(o.heartbeat, "none"))
	}
	return fmt.Sprintf("timeout %s, heartbeat %s, %s, %s to %s apart", o.timeout, durationOr(o.heartbeat, "none"),
		attempts, o.retry.initial, o.retry.max)
}

// short cuts a long text for one line.
func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 120 {
		return string(r[:119]) + "…"
	}
	return s
}
