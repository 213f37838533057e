package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

func optionKeys() []string { return []string{"timeout", "heartbeat", "retry", "queue"} }

func retryKeys() []string {
	return []string{"initial", "max", "backoff", "attempts", "non_retryable"}
}

func kinds() []kind {
	return []kind{kindActivity, kindSet, kindSleep, kindReturn, kindFail, kindLog, kindForeach, kindParallel, kindSteps}
}

// keysOf are the keys a step of a kind may have, its own first.
func keysOf(k kind) []string {
	keys := []string{string(k)}
	switch k {
	case kindActivity:
		keys = slices.Concat(keys, []string{"input", "args", "save"}, optionKeys())
	case kindForeach:
		keys = append(keys, "as", "max_parallel", "steps", "collect", "save")
	}
	keys = append(keys, "id", "description", "when")
	switch k {
	case kindActivity, kindForeach, kindParallel, kindSteps:
		keys = append(keys, "catch", "compensate", "compensate_when")
	}
	return keys
}

// stepKeys are the keys of all kinds together.
func stepKeys() []string {
	var all []string
	for _, k := range kinds() {
		for _, key := range keysOf(k) {
			if !slices.Contains(all, key) {
				all = append(all, key)
			}
		}
	}
	return all
}

// list reads a list of steps.
func (d *decoder) list(v any, path string, b block) []*step {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		d.refuse(path, "write at least one step, each beginning with \"- \"", "must be a list of steps")
		return nil
	}
	out := make([]*step, 0, len(list))
	for i, e := range list {
		if s := d.step(e, fmt.Sprintf("%s[%d]", path, i), b); s != nil {
			out = append(out, s)
		}
	}
	return out
}

// oneOrMore reads a list of steps or a single step.
func (d *decoder) oneOrMore(v any, path string, b block) []*step {
	if _, single := v.(map[string]any); single {
		if s := d.step(v, path, b); s != nil {
			return []*step{s}
		}
		return nil
	}
	return d.list(v, path, b)
}

func (d *decoder) step(v any, path string, b block) *step {
	d.steps++
	if d.steps == maxSteps+1 {
		d.refuse(path, "split the pipeline", "more than %d steps", maxSteps)
	}
	m, ok := v.(map[string]any)
	if !ok {
		d.refuse(path, "write \"- activity: name\"", "a step must be a mapping, this is %s", kindOf(v))
		return nil
	}
	s := &step{path: path}
	if s.kind, ok = d.kindOf(m, path); !ok {
		return nil
	}
	d.stepKeys(m, s.kind, path)
	d.identify(s, m)
	if v, given := m["description"]; given {
		s.about = d.str(v, childPath(path, "description"))
	}
	if v, given := m["when"]; given {
		s.when = d.bare(v, childPath(path, "when"), b)
	}
	d.action(s, m, b)
	if v, given := m["save"]; given {
		s.save = d.word(v, childPath(path, "save"), wordPattern)
	}
	if v, given := m["catch"]; given {
		s.catch = d.oneOrMore(v, childPath(path, "catch"), b.with("error"))
	}
	d.compensation(s, m, b)
	return s
}

// kindOf finds the one key that says what a step does.
func (d *decoder) kindOf(m map[string]any, path string) (kind, bool) {
	var found []string
	for _, k := range kinds() {
		if _, given := m[string(k)]; given && (k != kindSteps || m[string(kindForeach)] == nil) {
			found = append(found, string(k))
		}
	}
	switch len(found) {
	case 1:
		return kind(found[0]), true
	case 0:
		hint := ""
		for _, key := range sortedKeys(m) {
			if !slices.Contains(stepKeys(), key) {
				hint = fmt.Sprintf("%q: %s", key, didYouMean(key, stepKeys()))
				break
			}
		}
		d.refuse(path, hint, "the step does nothing: it needs one of %v", kinds())
	default:
		d.refuse(path, "make them steps of their own", "a step does one thing, this one has %s", strings.Join(found, " and "))
	}
	return "", false
}

func (d *decoder) stepKeys(m map[string]any, k kind, path string) {
	allowed := keysOf(k)
	for _, key := range sortedKeys(m) {
		switch at := childPath(path, key); {
		case slices.Contains(allowed, key):
		case slices.Contains(stepKeys(), key):
			d.refuseKey(at, fmt.Sprintf("a %s step takes: %s", k, strings.Join(allowed, ", ")), "%q does not belong to a %s step", key, k)
		default:
			d.refuseKey(at, didYouMean(key, allowed), "unknown key %q", key)
		}
	}
}

// identify gives the step its id: the one in the file, or the activity's or the kind's name with a number when it is taken.
func (d *decoder) identify(s *step, m map[string]any) {
	if v, given := m["id"]; given {
		at := childPath(s.path, "id")
		if s.id = d.word(v, at, idPattern); s.id != "" {
			s.named = true
			if first, taken := d.ids[s.id]; taken {
				d.refuse(at, "give each step an id of its own", "the id %q is that of %s", s.id, first)
			}
			d.ids[s.id] = s.path
		}
		return
	}
	base := string(s.kind)
	if name, ok := m[string(kindActivity)].(string); ok && name != "" {
		base = name
	}
	s.id = base
	for n := 2; d.ids[s.id] != ""; n++ {
		s.id = fmt.Sprintf("%s-%d", base, n)
	}
	d.ids[s.id] = s.path
}

func (d *decoder) action(s *step, m map[string]any, b block) {
	at := func(key string) string { return childPath(s.path, key) }
	own := m[string(s.kind)]
	switch s.kind {
	case kindActivity:
		d.activity(s, m, b)
	case kindSet:
		s.set = d.variables(own, at("set"), b)
	case kindSleep:
		s.sleep = d.template(own, at("sleep"), b)
		if s.sleep.static {
			d.duration(own, at("sleep"), 0)
		}
	case kindReturn:
		if b.undo {
			d.refuseKey(at("return"), "remove it", "what is undone cannot end the pipeline with a result")
		}
		s.value = d.template(own, at("return"), b)
	case kindLog:
		s.value = d.template(own, at("log"), b)
	case kindFail:
		d.failure(s, own, b)
	case kindForeach:
		d.foreach(s, m, b)
	case kindParallel, kindSteps:
		s.steps = d.list(own, at(string(s.kind)), b)
	}
}

func (d *decoder) activity(s *step, m map[string]any, b block) {
	at := childPath(s.path, "activity")
	s.activity, _ = m["activity"].(string)
	switch {
	case s.activity == "":
		d.refuse(at, "write the name of an activity of a plugin", "the name of an activity is expected, this is %s", canonical(m["activity"]))
	case strings.ContainsAny(s.activity, ".${} \t\n"):
		d.refuse(at, "use letters, digits, _ and -: a replay compares only what follows the last dot",
			"%q is not a usable activity name", s.activity)
	}
	input, hasInput := m["input"]
	args, hasArgs := m["args"]
	if hasInput && hasArgs {
		d.refuseKey(childPath(s.path, "args"), "use input for one argument, args for several", "a step takes input or args, not both")
	}
	if hasInput {
		s.input = d.template(input, childPath(s.path, "input"), b)
	}
	if hasArgs {
		list, ok := args.([]any)
		if !ok {
			d.refuse(childPath(s.path, "args"), "use input for one argument", "args must be a list, this is %s", kindOf(args))
		}
		s.args = []*template{}
		for i, a := range list {
			s.args = append(s.args, d.template(a, fmt.Sprintf("%s.args[%d]", s.path, i), b))
		}
	}
	s.options = d.options(m, s.path, b).resolved()
	if s.options.heartbeat > s.options.timeout && s.options.timeout > 0 {
		d.refuse(childPath(s.path, "heartbeat"), "shorten heartbeat or lengthen timeout",
			"heartbeat %s is longer than timeout %s", s.options.heartbeat, s.options.timeout)
	}
}

func (d *decoder) failure(s *step, v any, b block) {
	at := childPath(s.path, "fail")
	if _, isObject := v.(map[string]any); !isObject {
		s.failure.message = d.template(v, at, b)
		return
	}
	m, _ := d.object(v, at, []string{"message", "type", "details"})
	if _, given := m["message"]; !given {
		d.refuse(at, "add message: text", "a failure needs a message")
	}
	for key, target := range map[string]**template{
		"message": &s.failure.message, "type": &s.failure.kind, "details": &s.failure.details,
	} {
		if v, given := m[key]; given {
			*target = d.template(v, childPath(at, key), b)
		}
	}
}

func (d *decoder) foreach(s *step, m map[string]any, b block) {
	at := func(key string) string { return childPath(s.path, key) }
	s.foreach = d.bare(m["foreach"], at("foreach"), b)
	if s.foreach.static {
		if _, ok := s.foreach.literal.([]any); !ok {
			d.refuse(at("foreach"), "write a list or ${{ an expression }}", "must be a list, this is %s", kindOf(s.foreach.literal))
		}
	}
	item := "item"
	if v, given := m["as"]; given {
		s.as = d.word(v, at("as"), wordPattern)
		if slices.Contains(append(baseNames(), "index", "error"), s.as) {
			d.refuse(at("as"), "choose another name", "%q is a name of the language", s.as)
		} else if s.as != "" {
			item = s.as
		}
	}
	s.maxParallel = 1
	if v, given := m["max_parallel"]; given {
		s.maxParallel = d.integer(v, at("max_parallel"), 1, 1000)
	}
	inner := b.with(item, "index")
	if v, given := m["steps"]; given {
		s.steps = d.list(v, at("steps"), inner)
	} else {
		d.refuse(s.path, "add steps: with what to do for each item", "foreach has no steps")
	}
	if v, given := m["collect"]; given {
		s.collect = d.template(v, at("collect"), inner)
	}
	if _, saves := m["save"]; saves != (s.collect != nil) {
		d.refuse(s.path, "collect: ${{ vars.x }} gives the value of one item, save: names the variable that takes the list",
			"save and collect of a foreach belong together")
	}
}

func (d *decoder) compensation(s *step, m map[string]any, b block) {
	v, given := m["compensate"]
	at := childPath(s.path, "compensate")
	if given && b.undo {
		d.refuseKey(at, "remove it", "what is undone cannot be undone again")
	}
	if given {
		b.undo = true
		s.compensate = d.oneOrMore(v, at, b)
	}
	if v, set := m["compensate_when"]; set {
		s.compensateAlways = v == compensateStarted
		if !given || v != compensateStarted && v != compensateDone {
			d.refuse(childPath(s.path, "compensate_when"), "write done (the default) or started, beside compensate:",
				"%s is not a time to compensate", canonical(v))
		}
	}
}

// options reads timeout, heartbeat, retry and queue over those of the block.
func (d *decoder) options(m map[string]any, path string, b block) options {
	o := b.options
	if v, given := m["timeout"]; given {
		o.timeout = d.duration(v, childPath(path, "timeout"), time.Millisecond)
	}
	if v, given := m["heartbeat"]; given {
		o.heartbeat = 0
		if v != "none" {
			o.heartbeat = d.duration(v, childPath(path, "heartbeat"), time.Second)
		}
	}
	if v, given := m["queue"]; given {
		o.queue = d.template(d.str(v, childPath(path, "queue")), childPath(path, "queue"), b)
	}
	if v, given := m["retry"]; given {
		at := childPath(path, "retry")
		if r, ok := d.object(v, at, retryKeys()); ok {
			o.retry = d.retry(r, at, o.retry)
		}
	}
	return o
}

func (d *decoder) retry(m map[string]any, path string, r retry) retry {
	at := func(key string) string { return childPath(path, key) }
	if v, given := m["initial"]; given {
		r.initial = d.duration(v, at("initial"), time.Millisecond)
	}
	if v, given := m["max"]; given {
		r.max = d.duration(v, at("max"), time.Millisecond)
	}
	if v, given := m["backoff"]; given {
		switch n := v.(type) {
		case int64, float64:
			r.backoff = number(n)
		}
		if r.backoff < 1 || r.backoff > 100 {
			d.refuse(at("backoff"), "", "must be a number from 1 to 100, this is %s", canonical(v))
		}
	}
	if v, given := m["attempts"]; given {
		if r.attempts = 0; v != unlimited {
			r.attempts = d.integer(v, at("attempts"), 1, 10_000)
		}
	}
	if v, given := m["non_retryable"]; given {
		r.nonRetryable = nil
		list, ok := v.([]any)
		if !ok {
			d.refuse(at("non_retryable"), "write [TypeA, TypeB]", "must be a list of error types, this is %s", kindOf(v))
		}
		for i, e := range list {
			r.nonRetryable = append(r.nonRetryable, d.str(e, fmt.Sprintf("%s[%d]", at("non_retryable"), i)))
		}
	}
	if r.max < r.initial {
		d.refuse(path, "raise max or lower initial", "the longest wait, max %s, is shorter than the first, initial %s", r.max, r.initial)
	}
	return r
}
