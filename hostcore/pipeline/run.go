package pipeline

import (
	"errors"
	"maps"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/orch-host/orch/hostcore/progress"
)

// run is one execution of a definition.
type run struct {
	def      *definition
	progress *progress.Recorder
	info     map[string]any
	params   any
	saga     []undo
	left     string // what compensation could not take back
}

// scope is what expressions see besides params, workflow and now.
type scope struct {
	vars   map[string]any
	locals map[string]any // item, index, error
}

// with gives a scope that shares the variables and sees one more name.
func (s *scope) with(name string, value any) *scope {
	locals := maps.Clone(s.locals)
	if locals == nil {
		locals = map[string]any{}
	}
	locals[name] = value
	return &scope{vars: s.vars, locals: locals}
}

func (r *run) variables(ctx workflow.Context, sc *scope) map[string]any {
	v := map[string]any{"params": r.params, "vars": sc.vars, "workflow": r.info, "now": workflow.Now(ctx)}
	maps.Copy(v, sc.locals)
	return v
}

// eval gives a template's value; what goes wrong is a failure no retry can mend.
func (r *run) eval(ctx workflow.Context, t *template, sc *scope) (any, error) {
	if t == nil || t.static {
		return t.eval(nil)
	}
	v, err := t.eval(r.variables(ctx, sc))
	if err != nil {
		return nil, refuse(ErrExpression, nil, "%v", err)
	}
	return v, nil
}

// start checks the arguments and runs the definition to its end.
func (r *run) start(ctx workflow.Context, args converter.EncodedValues) (any, error) {
	given, err := arguments(args)
	if err != nil {
		return nil, refuse(ErrInvalidParams, nil, "%s: %v", r.def.name, err)
	}
	params, problems := r.def.params.resolve(given)
	if len(problems) > 0 {
		return nil, refuse(ErrInvalidParams, nil, "pipeline %s cannot start: %v", r.def.name, problems)
	}
	r.params = params
	sc := &scope{vars: r.initial()}
	for _, name := range sortedKeys(r.def.vars) {
		if sc.vars[name], err = r.eval(ctx, r.def.vars[name], sc); err != nil {
			return nil, err
		}
	}
	return r.end(ctx, sc, r.steps(ctx, r.def.steps, sc, ""))
}

// initial gives every variable of the definition the value null.
func (r *run) initial() map[string]any {
	names := map[string]bool{}
	walk(func(s *step) { s.writes(names) }, r.def.steps, r.def.onFailure)
	vars := make(map[string]any, len(names)+len(r.def.vars))
	for name := range names {
		vars[name] = nil
	}
	for name := range r.def.vars {
		vars[name] = nil
	}
	return vars
}

// end turns how the steps ended into how the run ends.
func (r *run) end(ctx workflow.Context, sc *scope, err error) (any, error) {
	var result any
	if err == nil {
		result, err = r.eval(ctx, r.def.result, sc)
	}
	if canceled := ctx.Err(); canceled != nil { // also when the last step succeeded all the same
		err = canceled
	}
	if ret := (*returned)(nil); errors.As(err, &ret) {
		return ret.value, nil
	}
	if err == nil {
		return result, nil
	}
	r.compensate(ctx)
	if ctx.Err() == nil && len(r.def.onFailure) > 0 {
		handled := r.steps(ctx, r.def.onFailure, sc.with("error", errorValue(err)), "")
		if ret := (*returned)(nil); errors.As(handled, &ret) {
			return ret.value, nil
		}
		if handled != nil {
			err = handled
		}
	}
	return nil, r.final(ctx, err)
}

// final is the error the workflow closes with.
func (r *run) final(ctx workflow.Context, err error) error {
	if ctx.Err() != nil {
		if r.left != "" {
			return temporal.NewCanceledError(r.left)
		}
		return ctx.Err()
	}
	var failed *stepError
	if errors.As(err, &failed) {
		err = failed.err
	}
	if temporal.IsCanceledError(err) { // the run itself was not canceled and must not look as if it were
		err = refuse(ErrActivityCanceled, nil, "an activity was canceled though the pipeline was not")
	}
	if r.left != "" {
		err = refuse(ErrCompensationFailed, err, "%s; taking back what this run did failed too: %s", message(err), r.left)
	}
	return err
}

// steps runs a list of steps in order until one fails or returns. prefix stands before their names in the progress.
func (r *run) steps(ctx workflow.Context, list []*step, sc *scope, prefix string) error {
	for _, s := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.step(ctx, s, sc, prefix); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) step(ctx workflow.Context, s *step, sc *scope, prefix string) error {
	wanted, err := r.when(ctx, s, sc)
	if err == nil && !wanted {
		r.skip(s, prefix)
		return nil
	}
	finish := r.began(ctx, s, prefix)
	if err == nil {
		if s.compensateAlways {
			r.remember(s, sc, prefix)
		}
		err = r.act(ctx, s, sc, prefix)
	}
	finish(err)
	if err == nil {
		if len(s.compensate) > 0 && !s.compensateAlways {
			r.remember(s, sc, prefix)
		}
		return nil
	}
	if isReturn(err) {
		return err
	}
	if canceled := ctx.Err(); canceled != nil {
		return canceled
	}
	var failed *stepError
	if !errors.As(err, &failed) {
		err = &stepError{step: prefix + s.id, err: err}
	}
	if len(s.catch) > 0 {
		return r.steps(ctx, s.catch, sc.with("error", errorValue(err)), prefix)
	}
	return err
}

func (r *run) when(ctx workflow.Context, s *step, sc *scope) (bool, error) {
	if s.when == nil {
		return true, nil
	}
	v, err := r.eval(ctx, s.when, sc)
	if err != nil {
		return false, err
	}
	wanted, ok := v.(bool)
	if !ok {
		return false, refuse(ErrExpression, nil, "%s.when must be true or false, it is %s; falsy(x) and !falsy(x) test any value", s.path, kindOf(v))
	}
	return wanted, nil
}

// act does what the step is for.
func (r *run) act(ctx workflow.Context, s *step, sc *scope, prefix string) error {
	switch s.kind {
	case kindActivity:
		return r.activity(ctx, s, sc)
	case kindSet:
		return r.set(ctx, s, sc)
	case kindSleep:
		return r.sleep(ctx, s, sc)
	case kindReturn:
		v, err := r.eval(ctx, s.value, sc)
		if err != nil {
			return err
		}
		return &returned{value: v}
	case kindFail:
		return r.fail(ctx, s, sc)
	case kindLog:
		v, err := r.eval(ctx, s.value, sc)
		if err == nil {
			workflow.GetLogger(ctx).Info(text(v), "Step", s.id)
		}
		return err
	case kindForeach:
		return r.foreach(ctx, s, sc, prefix)
	case kindParallel:
		return r.parallel(ctx, s, sc, prefix)
	case kindSteps:
		return r.steps(ctx, s.steps, sc, prefix)
	}
	return refuse(ErrInvalidPipeline, nil, "%s: a step of the unknown kind %q", s.path, s.kind)
}

// set evaluates all values before it changes any variable.
func (r *run) set(ctx workflow.Context, s *step, sc *scope) error {
	values := make(map[string]any, len(s.set))
	for _, name := range sortedKeys(s.set) {
		v, err := r.eval(ctx, s.set[name], sc)
		if err != nil {
			return err
		}
		values[name] = v
	}
	maps.Copy(sc.vars, values)
	return nil
}

func (r *run) sleep(ctx workflow.Context, s *step, sc *scope) error {
	v, err := r.eval(ctx, s.sleep, sc)
	if err != nil {
		return err
	}
	d, err := toDuration(v)
	if err != nil || d < 0 {
		return refuse(ErrExpression, nil, "%s.sleep: a duration such as 30s is expected, this is %s", s.path, canonical(v))
	}
	return workflow.NewTimerWithOptions(ctx, d, workflow.TimerOptions{Summary: s.id}).Get(ctx, nil)
}

func (r *run) fail(ctx workflow.Context, s *step, sc *scope) error {
	v, err := r.eval(ctx, s.failure.message, sc)
	if err != nil {
		return err
	}
	kind, err := r.eval(ctx, s.failure.kind, sc)
	if err != nil {
		return err
	}
	details, err := r.eval(ctx, s.failure.details, sc)
	if err != nil {
		return err
	}
	if falsy(kind) {
		kind = ErrPipelineFailed
	}
	options := temporal.ApplicationErrorOptions{NonRetryable: true}
	if details != nil {
		options.Details = []any{details}
	}
	return temporal.NewApplicationErrorWithOptions(text(v), text(kind), options)
}

// began records the step's start and returns what records its end.
func (r *run) began(ctx workflow.Context, s *step, prefix string) func(error) {
	if !s.recorded() {
		return func(error) {}
	}
	finish := r.progress.Start(prefix + s.id)
	return func(err error) {
		end := progress.End{State: progress.OK}
		switch {
		case err == nil, isReturn(err):
		case ctx.Err() != nil && temporal.IsCanceledError(err):
			end.State = progress.Canceled
		default:
			end = progress.End{State: progress.Failed, Error: message(err), Attempt: lastAttempt(err, s.options.retry.attempts)}
		}
		finish(end)
	}
}

// skip records that a step and the steps inside it are left out.
func (r *run) skip(s *step, prefix string) {
	if s.recorded() {
		r.progress.Skip(prefix + s.id)
	}
	if s.kind != kindForeach {
		for _, inner := range s.steps {
			r.skip(inner, prefix)
		}
	}
}

// toPolicy is the Temporal form of a retry.
func (r retry) toPolicy() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval: r.initial, BackoffCoefficient: r.backoff, MaximumInterval: r.max,
		MaximumAttempts: int32(r.attempts), NonRetryableErrorTypes: r.nonRetryable,
	}
}
