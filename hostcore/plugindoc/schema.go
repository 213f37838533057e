package plugindoc

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxDepth bounds how deep nested objects are shown.
const maxDepth = 5

// schema is the part of a JSON Schema that is shown.
type schema struct {
	Type        any                `json:"type"`
	Description string             `json:"description"`
	Properties  map[string]*schema `json:"properties"`
	Required    []string           `json:"required"`
	Items       *schema            `json:"items"`
	Enum        []any              `json:"enum"`
	Default     any                `json:"default"`
	Additional  json.RawMessage    `json:"additionalProperties"`
	Ref         string             `json:"$ref"`
}

// field is one row.
type field struct {
	path, kind, doc, example string
	required                 bool
	depth                    int
}

// UnmarshalJSON takes true, which allows anything, and false as well: they are
// schemas wherever an object is.
func (s *schema) UnmarshalJSON(text []byte) error {
	if t := string(text); t == "true" || t == "false" {
		*s = schema{}
		return nil
	}
	type object schema
	return json.Unmarshal(text, (*object)(s))
}

func parse(text json.RawMessage) (*schema, error) {
	if len(text) == 0 {
		return &schema{}, nil
	}
	var s schema
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("read its schema: %w", err)
	}
	return &s, nil
}

// fieldsOf lists the fields of an object, required ones first, nested ones
// below the one that holds them.
func fieldsOf(text json.RawMessage) ([]field, error) {
	s, err := parse(text)
	if err != nil {
		return nil, err
	}
	return s.fields("", 0), nil
}

func (s *schema) fields(prefix string, depth int) []field {
	if depth >= maxDepth {
		return nil
	}
	names := slices.Sorted(maps.Keys(s.Properties))
	slices.SortStableFunc(names, func(a, b string) int {
		return before(slices.Contains(s.Required, b)) - before(slices.Contains(s.Required, a))
	})
	var all []field
	for _, name := range names {
		p := s.Properties[name]
		if p == nil {
			p = &schema{}
		}
		f := field{path: prefix + name, kind: p.kind(), doc: p.meaning(), required: slices.Contains(s.Required, name), depth: depth, example: p.example()}
		all = append(all, f)
		all = append(all, p.fields(f.path+".", depth+1)...)
		if p.Items != nil {
			all = append(all, p.Items.fields(f.path+"[].", depth+1)...)
		}
	}
	return all
}

func before(b bool) int {
	if b {
		return 1
	}
	return 0
}

// kind is the type in words: "string", "list of integer", "map of string".
func (s *schema) kind() string {
	if s.Ref != "" {
		return s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
	}
	names := s.types()
	switch {
	case len(names) == 0:
		return "anything"
	case slices.Contains(names, "array"):
		item := "anything"
		if s.Items != nil {
			item = s.Items.kind()
		}
		return "list of " + item
	case slices.Contains(names, "object") && len(s.Properties) == 0:
		var value schema
		if json.Unmarshal(s.Additional, &value) == nil && len(value.types()) > 0 {
			return "map of " + value.kind()
		}
	}
	return strings.Join(names, " or ")
}

// types are the names of the types, without null.
func (s *schema) types() []string {
	var all []string
	switch t := s.Type.(type) {
	case string:
		all = append(all, t)
	case []any:
		for _, v := range t {
			if name, ok := v.(string); ok && name != "null" {
				all = append(all, name)
			}
		}
	}
	return all
}

func (s *schema) meaning() string {
	doc := s.Description
	if len(s.Enum) > 0 {
		var values []string
		for _, v := range s.Enum {
			values = append(values, "`"+literal(v)+"`")
		}
		doc = strings.TrimSpace(doc + " One of " + strings.Join(values, ", ") + ".")
	}
	if s.Default != nil {
		doc = strings.TrimSpace(doc + " Default `" + literal(s.Default) + "`.")
	}
	return doc
}

// example is a TOML value of the right type.
func (s *schema) example() string {
	if s.Default != nil {
		return inTOML(s.Default)
	}
	if len(s.Enum) > 0 {
		return inTOML(s.Enum[0])
	}
	for _, t := range s.types() {
		switch t {
		case "string":
			return `""`
		case "integer", "number":
			return "0"
		case "boolean":
			return "false"
		case "array":
			return "[]"
		}
	}
	return "{}"
}

// inTOML is a value as TOML writes it: what JSON writes, but for tables.
func inTOML(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var pairs []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			pairs = append(pairs, literal(k)+" = "+inTOML(v[k]))
		}
		return "{" + strings.Join(pairs, ", ") + "}"
	case []any:
		var items []string
		for _, item := range v {
			items = append(items, inTOML(item))
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	return literal(v)
}

func literal(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(data)
}

func typeOf(text json.RawMessage) string {
	s, err := parse(text)
	if err != nil {
		return "anything"
	}
	kind := s.kind()
	if s.Description != "" {
		kind += ", " + s.Description
	}
	return kind
}
