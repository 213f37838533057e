package sdk

import (
	"encoding/json"
	"reflect"

	"github.com/google/jsonschema-go/jsonschema"
)

// schemaOf makes the JSON Schema of T. strict keeps additionalProperties
// false, so that a typo in a configuration is refused; an activity's input
// stays open, so that a caller may be newer than the plugin.
func schemaOf[T any](strict bool) (json.RawMessage, error) {
	s, err := jsonschema.For[T](&jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[Duration](): {Type: "string", Description: `a duration such as "30s" or "5m"`},
		reflect.TypeFor[Secret]():   {Type: "string"},
	}})
	if err != nil {
		return nil, err
	}
	if !strict {
		openObjects(s)
	}
	return json.Marshal(s)
}

// openObjects removes "additionalProperties": false throughout. A schema that
// describes a map's values is left as it is.
func openObjects(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if s.AdditionalProperties != nil {
		if not := s.AdditionalProperties.Not; not != nil && reflect.DeepEqual(not, &jsonschema.Schema{}) {
			s.AdditionalProperties = nil
		}
	}
	for _, child := range s.Properties {
		openObjects(child)
	}
	openObjects(s.Items)
	openObjects(s.AdditionalProperties)
	for _, child := range s.Defs {
		openObjects(child)
	}
}
