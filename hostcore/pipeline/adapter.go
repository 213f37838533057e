package pipeline

import (
	"slices"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
)

// adapter brings Go values into CEL. It differs from CEL's own in one thing: maps are walked in the order of their
// keys. Go walks them in a new order each time, and an expression such as m.map(k, k) would then differ on replay.
type adapter struct{}

var _ types.Adapter = adapter{}

// NativeToValue implements types.Adapter.
func (a adapter) NativeToValue(v any) ref.Val {
	switch v := v.(type) {
	case map[string]any:
		return sortedMap{types.NewStringInterfaceMap(a, v)}
	case map[ref.Val]ref.Val:
		return sortedMap{types.NewRefValMap(a, v)}
	case []any:
		return types.NewDynamicList(a, v)
	case []ref.Val:
		return types.NewRefValList(a, v)
	case sortedMap, traits.MutableMapper:
		return v.(ref.Val)
	case traits.Mapper:
		return sortedMap{v}
	}
	return types.DefaultTypeAdapter.NativeToValue(v)
}

// sortedMap is a map whose iterator yields sorted keys. It must not implement traits.Foldable: CEL would prefer the
// unsorted Fold of the map inside to the iterator.
type sortedMap struct{ traits.Mapper }

// Iterator implements traits.Iterable.
func (m sortedMap) Iterator() traits.Iterator {
	var keys []ref.Val
	for it := m.Mapper.Iterator(); it.HasNext() == types.True; {
		keys = append(keys, it.Next())
	}
	slices.SortFunc(keys, func(a, b ref.Val) int { return compare(keyOf(a), keyOf(b)) })
	return types.NewRefValList(types.DefaultTypeAdapter, keys).Iterator()
}

// IsZeroValue implements traits.Zeroer.
func (m sortedMap) IsZeroValue() bool { return m.Size() == types.IntZero }

// keyOf is a map key as a value of the language; CEL allows booleans, integers and strings.
func keyOf(k ref.Val) any {
	v, err := fromCEL(k)
	if err != nil {
		return nil
	}
	return v
}

// order makes the maps that expressions build themselves walk in order too: literals do not pass through the adapter.
func order(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	switch i := i.(type) {
	case interpreter.InterpretableConstructor:
		return orderedConstructor{i}, nil
	case interpreter.InterpretableCall:
		return orderedCall{i}, nil
	}
	return i, nil
}

type orderedConstructor struct {
	interpreter.InterpretableConstructor
}

// Exec implements interpreter.InterpretableV2.
func (o orderedConstructor) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	return ordered(o.InterpretableConstructor.Exec(frame))
}

// Eval implements interpreter.Interpretable.
func (o orderedConstructor) Eval(vars interpreter.Activation) ref.Val {
	return ordered(o.InterpretableConstructor.Eval(vars))
}

type orderedCall struct {
	interpreter.InterpretableCall
}

// Exec implements interpreter.InterpretableV2.
func (o orderedCall) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	return ordered(o.InterpretableCall.Exec(frame))
}

// Eval implements interpreter.Interpretable.
func (o orderedCall) Eval(vars interpreter.Activation) ref.Val {
	return ordered(o.InterpretableCall.Eval(vars))
}

func ordered(v ref.Val) ref.Val {
	if m, ok := v.(traits.Mapper); ok {
		return adapter{}.NativeToValue(m)
	}
	return v
}
