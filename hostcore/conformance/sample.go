package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compile reads a JSON Schema; nil for an empty one.
func compile(schema []byte) (*jsonschema.Schema, error) {
	if len(schema) == 0 {
		return nil, nil
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("schema.json", doc); err != nil {
		return nil, flat(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		return nil, flat(err)
	}
	return s, nil
}

// flat puts an error of several lines on one.
func flat(err error) error {
	return errors.New(strings.Join(strings.Fields(err.Error()), " "))
}

// checkAgainst validates a JSON value.
func checkAgainst(schema []byte, value any) error {
	s, err := compile(schema)
	if err != nil || s == nil {
		return err
	}
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write the value as JSON: %w", err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("read the value as JSON: %w", err)
	}
	if err := s.Validate(doc); err != nil {
		return flat(err)
	}
	return nil
}

// shape is the part of a schema that samples are made from.
type shape struct {
	Type       any               `json:"type"`
	Properties map[string]*shape `json:"properties"`
	Required   []string          `json:"required"`
	Items      json.RawMessage   `json:"items"`
	MinItems   int               `json:"minItems"`
	MinLength  int               `json:"minLength"`
	Minimum    *float64          `json:"minimum"`
	Enum       []any             `json:"enum"`
	Const      any               `json:"const"`
	Default    any               `json:"default"`
	Examples   []any             `json:"examples"`
	Ref        string            `json:"$ref"`
	Defs       map[string]*shape `json:"$defs"`
	AnyOf      []*shape          `json:"anyOf"`
	OneOf      []*shape          `json:"oneOf"`
}

// types are the JSON types that are allowed; none means any.
func (s *shape) types() []string {
	switch t := s.Type.(type) {
	case string:
		return []string{t}
	case []any:
		var all []string
		for _, v := range t {
			if text, ok := v.(string); ok {
				all = append(all, text)
			}
		}
		return all
	}
	return nil
}

func parseShape(schema []byte) (*shape, error) {
	if len(schema) == 0 || bytes.Equal(bytes.TrimSpace(schema), []byte("true")) {
		return &shape{}, nil
	}
	var s shape
	if err := json.Unmarshal(schema, &s); err != nil {
		return nil, fmt.Errorf("its schema cannot be read: %w", err)
	}
	return &s, nil
}

// sampleOf makes up a value that the schema allows: examples, defaults and
// enumerations where there are some, required fields only.
func sampleOf(schema []byte) (any, error) {
	s, err := parseShape(schema)
	if err != nil {
		return nil, err
	}
	v, err := s.sample(s, 0)
	if err != nil {
		return nil, err
	}
	if err := checkAgainst(schema, v); err != nil {
		return nil, fmt.Errorf("no value could be made up that its schema allows: %w", err)
	}
	return v, nil
}

func (s *shape) sample(root *shape, depth int) (any, error) {
	if depth > 20 {
		return nil, errors.New("its schema requires a value inside itself")
	}
	switch {
	case len(s.Examples) > 0:
		return s.Examples[0], nil
	case s.Const != nil:
		return s.Const, nil
	case len(s.Enum) > 0:
		return s.Enum[0], nil
	case s.Default != nil:
		return s.Default, nil
	case s.Ref != "":
		target, ok := root.Defs[strings.TrimPrefix(s.Ref, "#/$defs/")]
		if !ok {
			return nil, fmt.Errorf("its schema refers to %s, which is not in it", s.Ref)
		}
		return target.sample(root, depth+1)
	case len(s.AnyOf) > 0:
		return s.AnyOf[0].sample(root, depth+1)
	case len(s.OneOf) > 0:
		return s.OneOf[0].sample(root, depth+1)
	}
	types := s.types()
	kind := "object"
	if len(types) > 0 {
		kind = types[0]
		if kind == "null" && len(types) > 1 {
			kind = types[1]
		}
	}
	switch kind {
	case "string":
		return "sample" + strings.Repeat("x", max(0, s.MinLength-len("sample"))), nil
	case "integer", "number":
		if s.Minimum != nil {
			return *s.Minimum, nil
		}
		return 1, nil
	case "boolean":
		return false, nil
	case "null":
		return nil, nil
	case "array":
		return s.list(root, depth)
	}
	object := map[string]any{}
	for _, name := range s.Required {
		field := s.Properties[name]
		if field == nil {
			field = &shape{}
		}
		v, err := field.sample(root, depth+1)
		if err != nil {
			return nil, err
		}
		object[name] = v
	}
	return object, nil
}

func (s *shape) list(root *shape, depth int) (any, error) {
	list := []any{}
	item, err := parseShape(s.Items)
	if err != nil {
		return nil, err
	}
	for range max(s.MinItems, min(1, len(s.Items))) {
		v, err := item.sample(root, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// wrong replaces one field of an object by a value of another type and returns
// the field's name; "" when the schema types none.
func wrong(schema []byte, object map[string]any) (map[string]any, string) {
	s, err := parseShape(schema)
	if err != nil {
		return nil, ""
	}
	var names []string
	for name, field := range s.Properties {
		if field != nil && len(field.types()) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	slices.SortStableFunc(names, func(a, b string) int { // required ones first
		return boolOrder(slices.Contains(s.Required, b)) - boolOrder(slices.Contains(s.Required, a))
	})
	for _, name := range names {
		for _, candidate := range []any{"conformance", 0.5, map[string]any{"conformance": true}} {
			bad := map[string]any{}
			for k, v := range object {
				bad[k] = v
			}
			bad[name] = candidate
			if checkAgainst(schema, bad) != nil && checkAgainst(schema, object) == nil {
				return bad, name
			}
		}
	}
	return nil, ""
}

func boolOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}

// without drops the first required field; "" when there is none.
func without(schema []byte, object map[string]any) (map[string]any, string) {
	s, err := parseShape(schema)
	if err != nil || len(s.Required) == 0 {
		return nil, ""
	}
	less := map[string]any{}
	for k, v := range object {
		if k != s.Required[0] {
			less[k] = v
		}
	}
	return less, s.Required[0]
}
