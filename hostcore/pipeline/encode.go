package pipeline

import (
	"maps"
	"slices"
	"time"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// normal is the definition as plain values, in the form of the file with every default written out. Reading it back
// gives the same definition.
func (d *definition) normal() map[string]any {
	m := map[string]any{"name": d.name, "steps": normalSteps(d.steps)}
	put(m, "description", d.description)
	if len(d.params.args) > 0 {
		m["args"] = toAny(d.params.args)
	}
	if d.params.raw != nil {
		m["params"] = d.params.raw
	}
	if len(d.vars) > 0 {
		m["vars"] = rawMap(d.vars)
	}
	putTemplate(m, "result", d.result)
	if len(d.onFailure) > 0 {
		m["on_failure"] = normalSteps(d.onFailure)
	}
	return m
}

func normalSteps(list []*step) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s.normal()
	}
	return out
}

func (s *step) normal() map[string]any {
	m := map[string]any{}
	if s.named {
		m["id"] = s.id
	}
	put(m, "description", s.about)
	putTemplate(m, "when", s.when)
	switch s.kind {
	case kindActivity:
		m["activity"] = s.activity
		putTemplate(m, "input", s.input)
		if s.args != nil {
			m["args"] = rawList(s.args)
		}
		s.options.put(m)
	case kindSet:
		m["set"] = rawMap(s.set)
	case kindSleep:
		m["sleep"] = s.sleep.raw
	case kindReturn, kindLog:
		m[string(s.kind)] = s.value.raw
	case kindFail:
		f := map[string]any{}
		putTemplate(f, "message", s.failure.message)
		putTemplate(f, "type", s.failure.kind)
		putTemplate(f, "details", s.failure.details)
		m["fail"] = f
	case kindForeach:
		m["foreach"] = s.foreach.raw
		m["max_parallel"] = int64(s.maxParallel)
		put(m, "as", s.as)
		putTemplate(m, "collect", s.collect)
		m["steps"] = normalSteps(s.steps)
	case kindParallel, kindSteps:
		m[string(s.kind)] = normalSteps(s.steps)
	}
	put(m, "save", s.save)
	if len(s.catch) > 0 {
		m["catch"] = normalSteps(s.catch)
	}
	if len(s.compensate) > 0 {
		m["compensate"] = normalSteps(s.compensate)
	}
	if s.compensateAlways {
		m["compensate_when"] = compensateStarted
	}
	return m
}

func (o options) put(m map[string]any) {
	m["timeout"] = o.timeout.String()
	m["heartbeat"] = durationOr(o.heartbeat, "none")
	r := map[string]any{
		"initial": o.retry.initial.String(), "max": o.retry.max.String(), "backoff": o.retry.backoff,
		"attempts": int64(o.retry.attempts),
	}
	if o.retry.attempts == 0 {
		r["attempts"] = unlimited
	}
	if len(o.retry.nonRetryable) > 0 {
		r["non_retryable"] = toAny(o.retry.nonRetryable)
	}
	m["retry"] = r
	putTemplate(m, "queue", o.queue)
}

func durationOr(d time.Duration, zero string) string {
	if d == 0 {
		return zero
	}
	return d.String()
}

func put(m map[string]any, key, value string) {
	if value != "" {
		m[key] = value
	}
}

func putTemplate(m map[string]any, key string, t *template) {
	if t != nil {
		m[key] = t.raw
	}
}

func rawMap(ts map[string]*template) map[string]any {
	m := make(map[string]any, len(ts))
	for k, t := range ts {
		m[k] = t.raw
	}
	return m
}

func rawList(ts []*template) []any {
	list := make([]any, len(ts))
	for i, t := range ts {
		list[i] = t.raw
	}
	return list
}

func toAny(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}
