package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/ext"
)

const (
	// maxCost bounds the work of one expression, in CEL's cost units: well under the second a workflow task may
	// compute before the SDK calls it deadlocked.
	maxCost = 500_000
	// maxExpression is the longest expression, in characters.
	maxExpression = 8 << 10
	// maxRange is the longest list range may make.
	maxRange = 100_000
)

// lang is the expression language: CEL with the functions of this package, sorted maps and a cost limit. It is
// immutable but for a cache and safe for use by many goroutines.
type lang struct {
	base *cel.Env

	mu     sync.Mutex
	scopes map[string]*cel.Env
}

// baseNames are the variables every expression can see.
func baseNames() []string { return []string{"params", "vars", "workflow", "now"} }

func newLang() (*lang, error) {
	options := []cel.EnvOption{
		cel.CustomTypeAdapter(adapter{}),
		cel.OptionalTypes(),
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(100),
		ext.Strings(), ext.Math(), ext.Encoders(), ext.Bindings(),
		cel.Variable("params", cel.DynType),
		cel.Variable("vars", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("workflow", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("now", cel.TimestampType),
	}
	for _, f := range functions() {
		options = append(options, f.option())
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("prepare the expression language: %w", err)
	}
	return &lang{base: env, scopes: map[string]*cel.Env{}}, nil
}

// env is the environment of expressions that also see the given local names.
func (l *lang) env(locals []string) (*cel.Env, error) {
	key := strings.Join(locals, " ")
	l.mu.Lock()
	defer l.mu.Unlock()
	if env, ok := l.scopes[key]; ok {
		return env, nil
	}
	env, err := l.base.Extend(localOptions(locals)...)
	if err != nil {
		return nil, fmt.Errorf("declare %s: %w", key, err)
	}
	if len(l.scopes) < 64 {
		l.scopes[key] = env
	}
	return env, nil
}

func localOptions(locals []string) []cel.EnvOption {
	var options []cel.EnvOption
	for _, name := range slices.Compact(slices.Sorted(slices.Values(locals))) {
		switch name {
		case "index":
			options = append(options, cel.Variable(name, cel.IntType))
		case "error":
			options = append(options, cel.Variable(name, cel.MapType(cel.StringType, cel.DynType)))
		default:
			options = append(options, cel.Variable(name, cel.DynType))
		}
	}
	return options
}

// expr is one expression. It is compiled when it is first used, so that replaying a large definition never compiles
// all of it within one workflow task.
type expr struct {
	lang   *lang
	src    string
	path   string   // where it stands in the definition
	offset int      // where it begins in the text of the value at path
	locals []string // names it sees besides baseNames

	once    sync.Once
	program cel.Program
	err     error
}

func (e *expr) compile() (cel.Program, error) {
	e.once.Do(func() {
		env, err := e.lang.env(e.locals)
		if err != nil {
			e.err = err
			return
		}
		ast, issues := env.Compile(e.src)
		if issues.Err() != nil {
			e.err = fmt.Errorf("compile %q: %w", e.src, issues.Err())
			return
		}
		e.program, e.err = env.Program(ast, cel.CostLimit(maxCost), cel.CostTracking(newCosts()), cel.CustomDecoratorV2(order))
	})
	return e.program, e.err
}

// eval runs the expression over the variables it sees.
func (e *expr) eval(variables map[string]any) (any, error) {
	program, err := e.compile()
	if err == nil {
		var out any
		if out, err = evaluate(program, variables); err == nil {
			return out, nil
		}
	}
	return nil, &exprError{path: e.path, src: e.src, err: err}
}

// evaluate runs a program. CEL turns panics of its own code into errors.
func evaluate(program cel.Program, variables map[string]any) (any, error) {
	v, _, err := program.Eval(variables)
	if err != nil {
		return nil, err
	}
	return fromCEL(v)
}

// exprError tells which expression of a definition failed and why.
type exprError struct {
	path, src string
	err       error
}

func (e *exprError) Error() string {
	return fmt.Sprintf("%s: ${{ %s }}: %v", e.path, e.src, e.err)
}

func (e *exprError) Unwrap() error { return e.err }
