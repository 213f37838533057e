package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"

	"github.com/google/jsonschema-go/jsonschema"
)

const (
	durationPattern = `^([0-9]{1,6}d)?([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))*$`
	bytesPattern    = `^[0-9]+(\.[0-9]+)? ?([KkMmGgTt][Ii]?)?[Bb]?$`
)

// Schema is the JSON Schema (2020-12) of orch.toml, for editors. It is made from the types; rules that span several keys
// are Load's matter.
func Schema() ([]byte, error) {
	s := schemaOf(shape(), reflect.ValueOf(constants()))
	s.Schema = "https://json-schema.org/draft/2020-12/schema"
	s.Title = "orch.toml"
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the schema of orch.toml: %w", err)
	}
	return append(data, '\n'), nil
}

// constants are the defaults that are the same on every machine.
func constants() Config {
	c := *defaults(func(string) (string, bool) { return "", false })
	c.Host.Name, c.Host.StateDir, c.Host.RuntimeDir = "", "", ""
	return c
}

// schemaOf describes a node; v holds its default.
func schemaOf(n *node, v reflect.Value) *jsonschema.Schema {
	switch n.kind {
	case table:
		s := &jsonschema.Schema{Type: "object", Properties: map[string]*jsonschema.Schema{}, AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}}}
		for _, f := range n.fields {
			s.Properties[f.key] = f.schema(v.Field(f.index))
			s.PropertyOrder = append(s.PropertyOrder, f.key)
		}
		if n.rest != nil {
			s.AdditionalProperties = schemaOf(n.rest, reflect.ValueOf(Plugin{}))
			s.PropertyNames = &jsonschema.Schema{Pattern: tableName.String()}
		}
		return s
	case dict:
		elem := schemaOf(n.elem, reflect.New(v.Type().Elem()).Elem())
		if v.Type().Elem() == reflect.TypeFor[Service]() {
			for _, key := range []string{"workflow", "pipeline", "then"} {
				elem.AnyOf = append(elem.AnyOf, &jsonschema.Schema{Required: []string{key}})
			}
		}
		return &jsonschema.Schema{Type: "object", AdditionalProperties: elem, PropertyNames: &jsonschema.Schema{Pattern: tableName.String(), MaxLength: new(100)}}
	case free:
		return &jsonschema.Schema{Type: "object"}
	case list:
		return &jsonschema.Schema{Type: "array", UniqueItems: true}
	case number:
		return &jsonschema.Schema{Type: "integer"}
	case toggle:
		return &jsonschema.Schema{Type: "boolean"}
	case span:
		return &jsonschema.Schema{Type: "string", Pattern: durationPattern}
	case amount:
		return &jsonschema.Schema{Types: []string{"string", "integer"}, Pattern: bytesPattern}
	}
	return &jsonschema.Schema{Type: "string"}
}

func (f *field) schema(v reflect.Value) *jsonschema.Schema {
	s := schemaOf(f.node, v)
	s.Description = plain(f.doc)
	if f.fallback != "" {
		s.Description += " Default: " + plain(f.fallback) + "."
	}
	for _, one := range f.oneof {
		s.Enum = append(s.Enum, one)
	}
	if f.node.kind == number {
		s.Minimum, s.Maximum = bound(f.min), bound(f.max)
	}
	values := s
	if f.node.kind == list {
		values = &jsonschema.Schema{Type: "string", MinLength: new(1)}
		s.Items = values
	}
	if p, ok := patterns[f.check]; ok && f.node.kind == text { // an empty string is "not set"
		values.Pattern = "^$|" + p.expr.String()
	} else if ok {
		values.Pattern = p.expr.String()
	}
	if d := f.constant(v); d != "" {
		data, err := json.Marshal(d)
		if f.node.kind == number || f.node.kind == toggle {
			data = []byte(d)
		}
		if err == nil {
			s.Default = data
		}
	}
	return s
}

func bound(s string) *float64 {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil
	}
	return &n
}

// constant is the default in the notation of the file; "" when there is none, or when it is only described.
func (f *field) constant(v reflect.Value) string {
	if f.fallback != "" || v.Kind() == reflect.Pointer {
		return ""
	}
	switch f.node.kind {
	case text:
		return v.String()
	case number:
		return strconv.FormatInt(v.Int(), 10)
	case toggle:
		return strconv.FormatBool(v.Bool())
	case span:
		return formatDuration(Duration(v.Int()))
	}
	return ""
}
