package pipeline

import (
	"time"
)

// Versions that are recorded with a pinned definition.
const (
	// SchemaVersion is the version of the file format this package reads and writes.
	SchemaVersion = 1
	// InterpreterVersion grows with every change of what the interpreter does for one definition. Running executions
	// keep the version they began with.
	InterpreterVersion = 1
)

// What an activity step gets when the file says nothing.
const (
	DefaultTimeout   = 5 * time.Minute
	DefaultHeartbeat = 30 * time.Second
	defaultInitial   = time.Second
	defaultMax       = 10 * time.Second
	defaultBackoff   = 2.0
	defaultAttempts  = 3
)

// definition is a pipeline file, normalised: every option a step leaves out is filled in.
type definition struct {
	name        string
	description string
	params      *paramSpec
	vars        map[string]*template
	steps       []*step
	result      *template
	onFailure   []*step
}

// kind says what a step does.
type kind string

// The kinds are the keys that name them in the file.
const (
	kindActivity kind = "activity"
	kindSet      kind = "set"
	kindSleep    kind = "sleep"
	kindReturn   kind = "return"
	kindFail     kind = "fail"
	kindLog      kind = "log"
	kindForeach  kind = "foreach"
	kindParallel kind = "parallel"
	kindSteps    kind = "steps"
)

// step is one step of a definition. Which fields are set depends on its kind.
type step struct {
	path  string // where it stands in the file
	id    string
	named bool // the file gives the id
	about string
	kind  kind
	when  *template

	activity string
	input    *template   // one argument
	args     []*template // or several
	options  options
	save     string // the variable that takes the result

	set     map[string]*template
	sleep   *template
	value   *template // of return and log
	failure failure

	foreach     *template
	as          string
	maxParallel int
	collect     *template
	steps       []*step // the body of foreach and steps, the branches of parallel

	catch            []*step
	compensate       []*step
	compensateAlways bool // also when the step itself failed
}

// failure is what a fail step ends the pipeline with.
type failure struct {
	message, kind, details *template
}

// options are how an activity is run.
type options struct {
	timeout   time.Duration // start to close
	heartbeat time.Duration // 0: none
	retry     retry
	queue     *template // nil: the pipeline's own
}

type retry struct {
	initial, max time.Duration
	backoff      float64
	attempts     int // 0: unlimited
	nonRetryable []string
}

func defaultOptions() options {
	return options{
		timeout:   DefaultTimeout,
		heartbeat: heartbeatUnset,
		retry:     retry{initial: defaultInitial, max: defaultMax, backoff: defaultBackoff, attempts: defaultAttempts},
	}
}

// heartbeatUnset stands for "30 s, or none for steps that may take no longer than that".
const heartbeatUnset time.Duration = -1

// resolved gives the options with the heartbeat settled.
func (o options) resolved() options {
	if o.heartbeat == heartbeatUnset {
		o.heartbeat = 0
		if o.timeout > DefaultHeartbeat {
			o.heartbeat = DefaultHeartbeat
		}
	}
	return o
}

// children are the lists of steps inside a step, in the order they may run.
func (s *step) children() [][]*step { return [][]*step{s.steps, s.catch, s.compensate} }

// walk calls fn for every step in the lists, parents first.
func walk(fn func(*step), lists ...[]*step) {
	for _, list := range lists {
		for _, s := range list {
			fn(s)
			walk(fn, s.children()...)
		}
	}
}

// walkExprs calls fn for every expression of the step itself, not of the steps inside it.
func (s *step) walkExprs(fn func(*expr)) {
	for _, t := range []*template{s.when, s.input, s.options.queue, s.sleep, s.value, s.foreach, s.collect,
		s.failure.message, s.failure.kind, s.failure.details} {
		t.walk(fn)
	}
	for _, t := range s.args {
		t.walk(fn)
	}
	for _, name := range sortedKeys(s.set) {
		s.set[name].walk(fn)
	}
}

// walkExprs calls fn for every expression of the definition.
func (d *definition) walkExprs(fn func(*expr)) {
	for _, name := range sortedKeys(d.vars) {
		d.vars[name].walk(fn)
	}
	walk(func(s *step) { s.walkExprs(fn) }, d.steps, d.onFailure)
	d.result.walk(fn)
}
