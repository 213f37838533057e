package pipeline

import (
	"fmt"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

// Catalog tells which activities there are. A catalog that also has ActivityNames() []string lets problems name the
// nearest known activity.
type Catalog interface {
	// Activity gives the JSON Schema of an activity's input, nil when it has none; ok is false when no plugin offers
	// the activity.
	Activity(name string) (inputSchema []byte, ok bool)
}

// activity checks a step against what the plugin says it takes.
func (c *checker) activity(s *step) {
	data, ok := c.catalog.Activity(s.activity)
	if !ok {
		var known []string
		if names, can := c.catalog.(interface{ ActivityNames() []string }); can {
			known = names.ActivityNames()
		}
		c.refuse(childPath(s.path, "activity"), didYouMean(s.activity, known), "no plugin offers the activity %q", s.activity)
		return
	}
	schema := parseSchema(data)
	properties, _ := schema["properties"].(map[string]any)
	given, isObject := inputFields(s.input)
	if properties == nil || !isObject {
		return
	}
	known := sortedKeys(properties)
	for _, key := range sortedKeys(given) {
		at := childPath(childPath(s.path, "input"), key)
		if property, ok := properties[key].(map[string]any); ok {
			c.inputType(given[key], at, property)
		} else if _, ok := properties[key]; !ok && !open(schema) {
			c.problems = append(c.problems, c.source.keyProblem(at, didYouMean(key, known), "activity %s has no input %q", s.activity, key))
		}
	}
	required, _ := schema["required"].([]any)
	for _, r := range required {
		if key, _ := r.(string); given[key] == nil {
			c.refuse(childPath(s.path, "input"), "add "+key+": to the input", "activity %s needs the input %q", s.activity, key)
		}
	}
}

// inputFields are the keys of an input that is written out, each with its value.
func inputFields(t *template) (map[string]*template, bool) {
	if t == nil {
		return nil, false
	}
	if t.fields != nil {
		return t.fields, true
	}
	m, ok := t.literal.(map[string]any)
	if !t.static || !ok {
		return nil, false
	}
	fields := make(map[string]*template, len(m))
	for k, v := range m {
		fields[k] = &template{static: true, literal: v, raw: v}
	}
	return fields, true
}

// open reports whether a schema takes keys it does not name.
func open(schema map[string]any) bool {
	switch more := schema["additionalProperties"].(type) {
	case bool:
		return more
	case map[string]any:
		_, refusesAll := more["not"]
		return !refusesAll
	}
	return false
}

// inputType compares the type of a value with the property's, as far as both are known.
func (c *checker) inputType(t *template, path string, property map[string]any) {
	allowed := typeNames(property["type"])
	got := ""
	switch {
	case t.static:
		got = jsonType(t.literal)
	case t.expr != nil:
		if out, ok := c.outputs[t.expr]; ok {
			got = jsonTypeOf(out)
		}
	case t.parts != nil:
		got = "string"
	case t.list != nil:
		got = "array"
	case t.fields != nil:
		got = "object"
	}
	if len(allowed) == 0 || got == "" || slices.Contains(allowed, got) || got == "integer" && slices.Contains(allowed, "number") {
		return
	}
	hint := ""
	if got == "string" && t.parts == nil && t.expr == nil {
		hint = "remove the quotes if they are not meant"
	}
	if slices.Contains(allowed, "string") && (got == "integer" || got == "boolean" || got == "number") {
		hint = "quote it, or write ${{ text(...) }}"
	}
	c.refuse(path, hint, "the activity takes %s here, this is %s", fmt.Sprint(allowed), got)
}

func typeNames(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

func jsonType(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case int64:
		return "integer"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return ""
}

func jsonTypeOf(t *cel.Type) string {
	switch t.Kind() {
	case types.BoolKind:
		return "boolean"
	case types.IntKind, types.UintKind:
		return "integer"
	case types.DoubleKind:
		return "number"
	case types.StringKind, types.BytesKind, types.DurationKind, types.TimestampKind:
		return "string"
	case types.ListKind:
		return "array"
	case types.MapKind:
		return "object"
	}
	return ""
}
