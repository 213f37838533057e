package pipeline

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// checker finds what is wrong with a definition that could be read: expressions that do not compile or have the wrong
// type, names nobody defines, steps that never run.
type checker struct {
	lang     *lang
	source   *source
	def      *definition
	catalog  Catalog // nil: activities are not checked
	problems Problems

	types     map[string]*cel.Type // of params
	envs      map[string]*cel.Env  // by local names
	variables []string
	outputs   map[*expr]*cel.Type
}

func (c *checker) refuse(path, hint, format string, args ...any) {
	c.problems = append(c.problems, c.source.problem(path, hint, format, args...))
}

func (c *checker) check() Problems {
	c.types, c.envs, c.outputs = c.def.params.types(), map[string]*cel.Env{}, map[*expr]*cel.Type{}
	written := map[string]bool{}
	for name := range c.def.vars {
		written[name] = true
	}
	walk(func(s *step) { s.writes(written) }, c.def.steps, c.def.onFailure)
	c.variables = sortedKeys(written)
	c.def.walkExprs(c.expression)
	c.order(c.def.steps)
	c.order(c.def.onFailure)
	walk(c.step, c.def.steps, c.def.onFailure)
	return c.problems
}

// writes adds the variables the step itself sets.
func (s *step) writes(to map[string]bool) {
	if s.save != "" {
		to[s.save] = true
	}
	for name := range s.set {
		to[name] = true
	}
}

// expression compiles one expression against what is known of the params.
func (c *checker) expression(e *expr) {
	env, err := c.env(e.locals)
	if err != nil {
		c.refuse(e.path, "", "%v", err)
		return
	}
	parsed, issues := env.Parse(e.src)
	if issues.Err() == nil {
		c.names(e, parsed)
		var checked *cel.Ast
		if checked, issues = env.Check(parsed); issues.Err() == nil {
			c.outputs[e] = checked.OutputType()
			if _, err := e.compile(); err != nil {
				c.refuse(e.path, "", "%v", err)
			}
			return
		}
	}
	for _, issue := range issues.Errors() {
		c.issue(e, issue, env)
	}
}

func (c *checker) env(locals []string) (*cel.Env, error) {
	key := strings.Join(locals, " ")
	if env, ok := c.envs[key]; ok {
		return env, nil
	}
	env, err := c.lang.env(locals)
	if err == nil && len(c.types) > 0 {
		var typed []cel.EnvOption
		for _, name := range sortedKeys(c.types) {
			typed = append(typed, cel.Variable(name, c.types[name]))
		}
		env, err = env.Extend(typed...)
	}
	if err == nil {
		c.envs[key] = env
	}
	return env, err
}

var undeclared = regexp.MustCompile(`^undeclared reference to '([^']*)'`)

// issue reports what CEL found, at the very character when the expression stands on one line.
func (c *checker) issue(e *expr, issue *common.Error, env *cel.Env) {
	message, hint := strings.TrimSuffix(issue.Message, " (in container '')"), ""
	if m := undeclared.FindStringSubmatch(message); m != nil {
		names := slices.Concat(baseNames(), e.locals)
		message = fmt.Sprintf("unknown name or function %q", m[1])
		hint = didYouMean(m[1], names)
		if functions := sortedKeys(env.Functions()); !strings.HasPrefix(hint, "did") {
			words := slices.DeleteFunc(functions, func(f string) bool { return !wordPattern.MatchString(f) })
			if near := didYouMean(m[1], words); strings.HasPrefix(near, "did") {
				hint = near
			}
		}
		switch {
		case slices.Contains(names, m[1]):
			hint = m[1] + " is a value and takes no ( )"
		case m[1] == "item" || m[1] == "index":
			hint = m[1] + " is known inside foreach only"
		case m[1] == "error":
			hint = "error is known inside catch and on_failure only"
		}
	}
	p := c.source.problem(e.path, hint, "${{ %s }}: %s", e.src, message)
	if c.source != nil {
		if at, ok := c.source.values[e.path]; ok && at.exact && issue.Location.Line() <= 1 {
			p.Column = at.column + e.offset + max(0, issue.Location.Column())
		}
	}
	c.problems = append(c.problems, p)
}

// names checks the variables and params an expression selects, and refuses time zones, which differ by machine.
func (c *checker) names(e *expr, parsed *cel.Ast) {
	ast.PostOrderVisit(parsed.NativeRep().Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		if root, field, ok := selection(x); ok {
			c.selects(e, root, field)
		}
		if x.Kind() != ast.CallKind {
			return
		}
		if call := x.AsCall(); call.IsMemberFunction() && len(call.Args()) == 1 && slices.Contains(zoned(), call.FunctionName()) {
			c.refuse(e.path, "leave the time zone out: UTC is the same everywhere",
				"%s with a time zone depends on the machine's time zone data", call.FunctionName())
		}
	}))
}

func (c *checker) selects(e *expr, root, field string) {
	switch {
	case root == "vars" && !slices.Contains(c.variables, field):
		c.refuse(e.path, didYouMean(field, c.variables), "${{ %s }}: no step saves or sets the variable %q", e.src, field)
	case root == "params" && c.def.params.closed() && !slices.Contains(c.def.params.properties(), field):
		c.refuse(e.path, didYouMean(field, c.def.params.properties()), "${{ %s }}: params has no %q", e.src, field)
	}
}

// zoned are the CEL functions that take a time zone.
func zoned() []string {
	return []string{"getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getHours",
		"getMinutes", "getSeconds", "getMilliseconds"}
}

// selection recognises root.field, root["field"] and their optional forms.
func selection(x ast.Expr) (root, field string, ok bool) {
	switch x.Kind() {
	case ast.SelectKind:
		s := x.AsSelect()
		if s.Operand().Kind() == ast.IdentKind {
			return s.Operand().AsIdent(), s.FieldName(), true
		}
	case ast.CallKind:
		call := x.AsCall()
		switch call.FunctionName() {
		case operators.Index, operators.OptIndex, operators.OptSelect:
			args := call.Args()
			if len(args) == 2 && args[0].Kind() == ast.IdentKind && args[1].Kind() == ast.LiteralKind {
				if s, isText := args[1].AsLiteral().(types.String); isText {
					return args[0].AsIdent(), string(s), true
				}
			}
		}
	}
	return "", "", false
}

// order finds steps that can never run because the one before them always ends the pipeline.
func (c *checker) order(list []*step) {
	for i, s := range list {
		if (s.kind == kindReturn || s.kind == kindFail) && s.when == nil && i+1 < len(list) {
			c.refuse(list[i+1].path, "give the step before it a when:, or remove this one", "this step never runs: %s before it always ends the pipeline", s.kind)
		}
		for _, inner := range s.children() {
			if s.kind != kindParallel {
				c.order(inner)
			}
		}
		if s.kind == kindParallel {
			c.branches(s)
			c.order(s.catch)
			c.order(s.compensate)
		}
	}
}

// branches refuses two branches of a parallel step that write one variable: the slower one would win.
func (c *checker) branches(s *step) {
	owner := map[string]string{}
	for _, branch := range s.steps {
		written := map[string]bool{}
		walk(func(s *step) { s.writes(written) }, []*step{branch})
		for _, name := range sortedKeys(written) {
			if first, taken := owner[name]; taken {
				c.refuse(branch.path, "save into different variables", "this branch and %s both write the variable %q", first, name)
			}
			owner[name] = branch.path
		}
		c.order([]*step{branch})
	}
}

// step checks the types of the values of one step.
func (c *checker) step(s *step) {
	at := func(key string) string { return childPath(s.path, key) }
	c.expect(s.when, at("when"), "a boolean", cel.BoolType)
	c.expect(s.foreach, at("foreach"), "a list", cel.ListType(cel.DynType))
	c.expect(s.sleep, at("sleep"), "a duration", cel.StringType, cel.DurationType, cel.IntType, cel.DoubleType)
	c.expect(s.options.queue, at("queue"), "text", cel.StringType)
	if s.kind == kindActivity && c.catalog != nil {
		c.activity(s)
	}
}

// expect checks that a value that is one expression, or a plain value, has one of the types.
func (c *checker) expect(t *template, path, what string, allowed ...*cel.Type) {
	if t == nil {
		return
	}
	if t.static {
		if _, isBool := t.literal.(bool); allowed[0].Kind() == types.BoolKind && !isBool {
			c.refuse(path, "write an expression or true or false", "must be %s, this is %s", what, kindOf(t.literal))
		}
		return
	}
	out, known := c.outputs[t.expr]
	if t.expr == nil || !known || isDyn(out) {
		return
	}
	for _, a := range allowed {
		if a.Kind() == out.Kind() {
			return
		}
	}
	c.refuse(path, "", "${{ %s }} must be %s, it is of type %s", t.expr.src, what, out)
}

func isDyn(t *cel.Type) bool {
	switch t.Kind() {
	case types.DynKind, types.AnyKind, types.TypeParamKind, types.OpaqueKind, types.NullTypeKind:
		return true
	}
	return false
}
