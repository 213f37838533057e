package pipeline

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// Values of the language are JSON: nil, bool, int64, float64, string, []any and map[string]any. A number written
// without a fraction is an int64, so that large ids survive and integer arithmetic works.

// decodeJSON reads one JSON value. Empty input is null.
func decodeJSON(data []byte) (any, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one JSON value")
	}
	return plain(v), nil
}

// plain turns what encoding/json decodes with UseNumber into the values of the language, in place.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return n
		}
		f, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return f
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}

// fromCEL turns the result of an expression into a value of the language.
func fromCEL(v ref.Val) (any, error) {
	switch v := v.(type) {
	case types.Null:
		return nil, nil
	case types.Bool:
		return bool(v), nil
	case types.Int:
		return int64(v), nil
	case types.Uint:
		if uint64(v) > math.MaxInt64 {
			return float64(v), nil
		}
		return int64(v), nil
	case types.Double:
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, fmt.Errorf("the number %v cannot be written as JSON", float64(v))
		}
		return float64(v), nil
	case types.String:
		return string(v), nil
	case types.Bytes:
		return base64.StdEncoding.EncodeToString(v), nil
	case types.Timestamp:
		return v.Time.UTC().Format(time.RFC3339Nano), nil
	case types.Duration:
		return v.Duration.String(), nil
	case *types.Optional:
		if !v.HasValue() {
			return nil, nil
		}
		return fromCEL(v.GetValue())
	case *types.Err:
		return nil, v
	case traits.Lister:
		var list = []any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			e, err := fromCEL(it.Next())
			if err != nil {
				return nil, err
			}
			list = append(list, e)
		}
		return list, nil
	case traits.Mapper:
		m := map[string]any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			k := it.Next()
			key, ok := k.(types.String)
			if !ok {
				return nil, fmt.Errorf("a map key must be a string, %v is a %s", k.Value(), k.Type().TypeName())
			}
			e, err := fromCEL(v.Get(k))
			if err != nil {
				return nil, err
			}
			m[string(key)] = e
		}
		return m, nil
	}
	return nil, fmt.Errorf("a value of type %s cannot be used outside an expression", v.Type().TypeName())
}

// falsy is the contract's rule: null, false, "", 0, {} and [] are falsy.
func falsy(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case int64:
		return v == 0
	case float64:
		return v == 0
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// text is how a value reads inside a string: strings as they are, all else as JSON with sorted keys.
func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return canonical(v)
}

// canonical is the one JSON text of a value: keys sorted, nothing escaped for HTML.
func canonical(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil { // values of the language always encode
		return fmt.Sprintf("%v", v)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// compare is a total order over values: null, booleans, numbers, strings, then lists and maps by their JSON text.
func compare(a, b any) int {
	if c := cmp.Compare(rank(a), rank(b)); c != 0 {
		return c
	}
	switch a := a.(type) {
	case nil:
		return 0
	case string:
		return strings.Compare(a, b.(string))
	case int64:
		if b, ok := b.(int64); ok {
			return cmp.Compare(a, b)
		}
	}
	if rank(a) == rankNumber {
		return cmp.Compare(number(a), number(b))
	}
	return strings.Compare(canonical(a), canonical(b))
}

const rankNumber = 2

func rank(v any) int {
	switch v.(type) {
	case nil:
		return 0
	case bool:
		return 1
	case int64, float64:
		return rankNumber
	case string:
		return 3
	}
	return 4
}

func number(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return 0
}

// unique keeps the first of equal elements. 1 and 1.0 are equal.
func unique(list []any, by func(any) any) []any {
	seen := make(map[string]bool, len(list))
	out := make([]any, 0, len(list))
	for _, v := range list {
		key := canonical(by(v))
		if !seen[key] {
			seen[key] = true
			out = append(out, v)
		}
	}
	return out
}

// sorted keeps the order of equal elements.
func sorted(list []any, by func(any) any) []any {
	out := slices.Clone(list)
	slices.SortStableFunc(out, func(a, b any) int { return compare(by(a), by(b)) })
	return out
}

// kindOf names a value's JSON type with its article.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case int64:
		return "an integer"
	case float64:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return fmt.Sprintf("a %T", v)
}
