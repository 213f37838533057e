package pipeline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	textmessage "golang.org/x/text/message"
)

// paramSpec is what a pipeline takes: names for positional arguments and a JSON Schema (2020-12) for the one object.
type paramSpec struct {
	args []string
	raw  map[string]any

	once   sync.Once
	schema *jsonschema.Schema
	err    error
}

func (p *paramSpec) compiled() (*jsonschema.Schema, error) {
	p.once.Do(func() {
		if p.raw == nil {
			return
		}
		const url = "orch:params"
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(canonical(p.raw))))
		if err != nil {
			p.err = err
			return
		}
		c := jsonschema.NewCompiler()
		c.UseLoader(noLoader{})
		if p.err = c.AddResource(url, document); p.err == nil {
			p.schema, p.err = c.Compile(url)
		}
		if p.err != nil {
			p.err = errors.New(strings.ReplaceAll(p.err.Error(), "\n", " "))
		}
	})
	return p.schema, p.err
}

// noLoader keeps a schema from reading files or the network.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("a $ref must point into the schema itself, not to %s", url)
}

// resolve turns the arguments of a start into params: positional ones are named, defaults are filled in, and the result
// is checked against the schema.
func (p *paramSpec) resolve(arguments []any) (any, Problems) {
	params, problem := p.named(arguments)
	if problem != "" {
		return nil, Problems{{Path: "params", Message: problem}}
	}
	schema, err := p.compiled()
	if err != nil {
		return nil, Problems{{Path: "params", Message: fmt.Sprintf("not a valid JSON Schema: %v", err)}}
	}
	if schema == nil {
		return params, nil
	}
	params = withDefaults(params, p.raw)
	if err := schema.Validate(params); err != nil {
		return nil, schemaProblems(err, p.properties())
	}
	return params, nil
}

func (p *paramSpec) named(arguments []any) (any, string) {
	var first any
	if len(arguments) > 0 {
		first = arguments[0]
	}
	if len(p.args) == 0 {
		if len(arguments) > 1 {
			return nil, fmt.Sprintf("one argument is expected, %d were given", len(arguments))
		}
		if first == nil && p.raw != nil {
			first = map[string]any{}
		}
		return first, ""
	}
	if m, ok := first.(map[string]any); ok && len(arguments) == 1 {
		return m, ""
	}
	if len(arguments) > len(p.args) {
		return nil, fmt.Sprintf("at most %d arguments are expected (%s), or one object with these keys; %d were given",
			len(p.args), strings.Join(p.args, ", "), len(arguments))
	}
	m := make(map[string]any, len(arguments))
	for i, v := range arguments {
		if v != nil || len(arguments) > 1 {
			m[p.args[i]] = v
		}
	}
	return m, ""
}

// withDefaults fills in the defaults of the schema's properties and makes whole numbers of what must be integers. The
// values given are not changed.
func withDefaults(v any, schema map[string]any) any {
	if schema["type"] == "integer" {
		if f, ok := v.(float64); ok && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return int64(f)
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	m, ok := v.(map[string]any)
	if !ok || properties == nil {
		return v
	}
	out := make(map[string]any, len(m))
	for k, e := range m {
		out[k] = e
	}
	for k, sub := range properties {
		s, _ := sub.(map[string]any)
		e, given := out[k]
		if fallback, has := s["default"]; !given && has {
			e, given = fallback, true
		}
		if given {
			out[k] = withDefaults(e, s)
		}
	}
	return out
}

// schemaProblems lists the leaves of a validation error, each at its place in the params.
func schemaProblems(err error, properties []string) Problems {
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return Problems{{Path: "params", Message: err.Error()}}
	}
	printer := textmessage.NewPrinter(language.English)
	var problems Problems
	var visit func(e *jsonschema.ValidationError)
	visit = func(e *jsonschema.ValidationError) {
		for _, c := range e.Causes {
			visit(c)
		}
		if len(e.Causes) > 0 {
			return
		}
		path := "params"
		for _, part := range e.InstanceLocation {
			path = childPath(path, part)
		}
		p := Problem{Path: path, Message: e.ErrorKind.LocalizedString(printer)}
		if strings.Contains(p.Message, "additional properties") && len(properties) > 0 {
			p.Hint = "known: " + strings.Join(properties, ", ")
		}
		problems = append(problems, p)
	}
	visit(invalid)
	slices.SortStableFunc(problems, func(a, b Problem) int { return strings.Compare(a.Path, b.Path) })
	return problems
}

// properties are the names the schema knows, sorted.
func (p *paramSpec) properties() []string {
	m, _ := p.raw["properties"].(map[string]any)
	return sortedKeys(m)
}

// closed reports whether only the known properties may be given.
func (p *paramSpec) closed() bool { return p.raw["additionalProperties"] == false }

// types are the CEL types of the params whose type the schema settles, by qualified name such as params.port.
func (p *paramSpec) types() map[string]*cel.Type {
	out := map[string]*cel.Type{}
	var visit func(schema map[string]any, path string, depth int)
	visit = func(schema map[string]any, path string, depth int) {
		properties, _ := schema["properties"].(map[string]any)
		for name, sub := range properties {
			s, ok := sub.(map[string]any)
			if !ok || depth > 8 || !wordPattern.MatchString(name) {
				continue
			}
			at := path + "." + name
			switch s["type"] {
			case "string":
				out[at] = cel.StringType
			case "integer":
				out[at] = cel.IntType
			case "boolean":
				out[at] = cel.BoolType
			case "array":
				out[at] = cel.ListType(cel.DynType)
			case "object":
				out[at] = cel.MapType(cel.StringType, cel.DynType)
				visit(s, at, depth+1)
			}
		}
	}
	visit(p.raw, "params", 0)
	return out
}

// parseSchema reads a JSON Schema as an object; nil when it is none.
func parseSchema(data []byte) map[string]any {
	var m map[string]any
	if json.Unmarshal(data, &m) != nil {
		return nil
	}
	return m
}
