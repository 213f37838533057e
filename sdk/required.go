package sdk

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// needs are the keys that a JSON value must have, however deep, to fill a type.
// Nil: none.
type needs struct {
	kind     reflect.Kind // Struct, Map, or Slice for any list
	nullable bool         // null stands for no struct, not for an empty one
	fields   []fieldNeeds // of a struct
	each     *needs       // of the values of a map or list
}

type fieldNeeds struct {
	name     string
	required bool
	below    *needs
}

// needsOf looks through a type once. A type that reads itself knows best what
// it needs; one that holds itself, which is among those above, has no schema
// and is refused for that.
func needsOf(t reflect.Type, above ...reflect.Type) *needs {
	n := &needs{nullable: t.Kind() == reflect.Pointer}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if p := reflect.PointerTo(t); p.Implements(jsonReader) || p.Implements(textReader) || slices.Contains(above, t) {
		return nil
	}
	above = append(slices.Clip(above), t)
	switch n.kind = t.Kind(); n.kind {
	case reflect.Map, reflect.Slice, reflect.Array:
		if n.kind == reflect.Array {
			n.kind = reflect.Slice
		}
		if n.each = needsOf(t.Elem(), above...); n.each != nil {
			return n
		}
	case reflect.Struct:
		for _, f := range fieldsOf(t) {
			if below := needsOf(f.typ, above...); f.required || below != nil {
				n.fields = append(n.fields, fieldNeeds{f.name, f.required, below})
			}
		}
		if len(n.fields) > 0 {
			return n
		}
	}
	return nil
}

// check is an error about the first required key that data lacks. data could be
// read into the type; at is where it stands in the input.
func (n *needs) check(at string, data json.RawMessage) error {
	path, err := n.lacks(data)
	switch {
	case err != nil:
		return fmt.Errorf("read the input: %w", err)
	case path == "":
		return nil
	case at != "":
		path = at + below(path)
	}
	return lacking(path)
}

func lacking(path string) error {
	return fmt.Errorf("the input lacks the required field %q", path)
}

// lacks is the path of the first key that is missing; empty: none is.
func (n *needs) lacks(data json.RawMessage) (path string, err error) {
	if n == nil {
		return "", nil
	}
	if n.kind == reflect.Slice {
		var list []json.RawMessage
		if err := json.Unmarshal(data, &list); err != nil {
			return "", err
		}
		for i, v := range list {
			if path, err := n.each.lacks(v); path != "" || err != nil {
				return fmt.Sprintf("[%d]%s", i, below(path)), err
			}
		}
		return "", nil
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil {
		return "", err
	}
	if n.kind == reflect.Map {
		for _, key := range slices.Sorted(maps.Keys(object)) {
			if path, err := n.each.lacks(object[key]); path != "" || err != nil {
				return key + below(path), err
			}
		}
		return "", nil
	}
	if object == nil && n.nullable {
		return "", nil
	}
	for _, f := range n.fields {
		value, given := valueOf(object, f.name)
		if !given {
			if f.required {
				return f.name, nil
			}
			continue
		}
		if path, err := f.below.lacks(value); path != "" || err != nil {
			return f.name + below(path), err
		}
	}
	return "", nil
}

// valueOf finds a key as encoding/json does, which ignores case.
func valueOf(object map[string]json.RawMessage, name string) (json.RawMessage, bool) {
	if value, given := object[name]; given {
		return value, true
	}
	for key, value := range object {
		if strings.EqualFold(key, name) {
			return value, true
		}
	}
	return nil, false
}
