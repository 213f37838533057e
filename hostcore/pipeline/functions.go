package pipeline

import (
	"fmt"
	"maps"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// function is one function the language adds to CEL's own. Functions see neither clock nor environment.
type function struct {
	name string
	args []*cel.Type
	out  *cel.Type
	call func(args []any) (any, error)
}

// functions are documented in docs/pipelines.md in this order.
func functions() []function {
	list, object := cel.ListType(cel.DynType), cel.MapType(cel.StringType, cel.DynType)
	return []function{
		{"falsy", []*cel.Type{cel.DynType}, cel.BoolType, func(a []any) (any, error) { return falsy(a[0]), nil }},
		{"either", []*cel.Type{cel.DynType, cel.DynType}, cel.DynType, func(a []any) (any, error) {
			if falsy(a[0]) {
				return a[1], nil
			}
			return a[0], nil
		}},
		{"unique", []*cel.Type{cel.DynType}, list, onList(unique)},
		{"unique", []*cel.Type{cel.DynType, cel.StringType}, list, onList(unique)},
		{"sort", []*cel.Type{cel.DynType}, list, onList(sorted)},
		{"sort", []*cel.Type{cel.DynType, cel.StringType}, list, onList(sorted)},
		{"flatten", []*cel.Type{cel.DynType}, list, onList(flatten)},
		{"range", []*cel.Type{cel.IntType}, list, count},
		{"merge", []*cel.Type{cel.DynType, cel.DynType}, object, mergeMaps},
		{"entries", []*cel.Type{cel.DynType}, list, entries},
		{"fromEntries", []*cel.Type{cel.DynType}, object, fromEntries},
		{"text", []*cel.Type{cel.DynType}, cel.StringType, func(a []any) (any, error) { return text(a[0]), nil }},
		{"json", []*cel.Type{cel.DynType}, cel.StringType, func(a []any) (any, error) { return canonical(a[0]), nil }},
	}
}

// overload names the function with its number of arguments.
func (f function) overload() string { return fmt.Sprintf("orch_%s_%d", f.name, len(f.args)) }

func (f function) option() cel.EnvOption {
	return cel.Function(f.name, cel.Overload(f.overload(), f.args, f.out, cel.FunctionBinding(func(args ...ref.Val) ref.Val {
		in := make([]any, len(args))
		for i, a := range args {
			v, err := fromCEL(a)
			if err != nil {
				return types.WrapErr(fmt.Errorf("%s: %w", f.name, err))
			}
			in[i] = v
		}
		out, err := f.call(in)
		if err != nil {
			return types.WrapErr(fmt.Errorf("%s: %w", f.name, err))
		}
		return adapter{}.NativeToValue(out)
	})))
}

// onList calls fn with a list, null being the empty one, and with what elements are compared by: themselves, or the
// field that a second argument names, where they have it.
func onList(fn func(list []any, by func(any) any) []any) func([]any) (any, error) {
	return func(a []any) (any, error) {
		by := func(v any) any { return v }
		if len(a) == 2 {
			by = func(v any) any {
				if m, ok := v.(map[string]any); ok {
					if field, ok := m[a[1].(string)]; ok {
						return field
					}
				}
				return v
			}
		}
		switch v := a[0].(type) {
		case nil:
			return []any{}, nil
		case []any:
			return fn(v, by), nil
		}
		return nil, fmt.Errorf("takes a list, got %s", kindOf(a[0]))
	}
}

// flatten takes lists inside the list apart, one level deep. Null counts as an empty list.
func flatten(list []any, _ func(any) any) []any {
	out := make([]any, 0, len(list))
	for _, v := range list {
		switch v := v.(type) {
		case nil:
		case []any:
			out = append(out, v...)
		default:
			out = append(out, v)
		}
	}
	return out
}

// count makes the list 0, 1, ... n-1.
func count(a []any) (any, error) {
	n, _ := a[0].(int64)
	if n < 0 || n > maxRange {
		return nil, fmt.Errorf("takes a number from 0 to %d, got %d", maxRange, n)
	}
	out := make([]any, n)
	for i := range out {
		out[i] = int64(i)
	}
	return out, nil
}

// mergeMaps lays the second map over the first; null counts as an empty map.
func mergeMaps(a []any) (any, error) {
	out := map[string]any{}
	for i, v := range a {
		switch v := v.(type) {
		case nil:
		case map[string]any:
			maps.Copy(out, v)
		default:
			return nil, fmt.Errorf("takes two objects, argument %d is %s", i+1, kindOf(v))
		}
	}
	return out, nil
}

func entries(a []any) (any, error) {
	m, ok := a[0].(map[string]any)
	if !ok && a[0] != nil {
		return nil, fmt.Errorf("takes an object, got %s", kindOf(a[0]))
	}
	out := make([]any, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, map[string]any{"key": k, "value": m[k]})
	}
	return out, nil
}

func fromEntries(a []any) (any, error) {
	list, ok := a[0].([]any)
	if !ok && a[0] != nil {
		return nil, fmt.Errorf("takes a list of {key, value}, got %s", kindOf(a[0]))
	}
	out := make(map[string]any, len(list))
	for i, e := range list {
		m, _ := e.(map[string]any)
		key, ok := m["key"].(string)
		if !ok {
			return nil, fmt.Errorf("element %d has no text under key", i)
		}
		out[key] = m["value"]
	}
	return out, nil
}

// costs charges the language's own functions for the values they walk; CEL charges its own.
type costs struct{ own map[string]bool }

func newCosts() costs {
	c := costs{own: map[string]bool{}}
	for _, f := range functions() {
		c.own[f.overload()] = true
	}
	return c
}

// CallCost implements cost.ActualCostEstimator.
func (c costs) CallCost(_, overload string, args []ref.Val, result ref.Val) *uint64 {
	if !c.own[overload] {
		return nil
	}
	sum := uint64(1) + weight(result)
	for _, a := range args {
		sum += weight(a)
	}
	return &sum
}

// weight is a tenth of the length of a value's text, at least 1.
func weight(v ref.Val) uint64 {
	plain, err := fromCEL(v)
	if err != nil {
		return 1
	}
	return 1 + size(plain)/10
}

func size(v any) uint64 {
	switch v := v.(type) {
	case string:
		return uint64(len(v)) + 2
	case []any:
		n := uint64(2)
		for _, e := range v {
			n += size(e) + 1
		}
		return n
	case map[string]any:
		n := uint64(2)
		for k, e := range v {
			n += uint64(len(k)) + size(e) + 4
		}
		return n
	}
	return 8
}
