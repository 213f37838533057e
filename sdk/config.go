package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// Configurer receives a plugin's configuration table; made by [Config].
type Configurer struct {
	schema json.RawMessage
	err    error
	apply  func(ctx context.Context, data []byte) error
}

// Config makes a [Configurer] from a function. The JSON Schema of the table is
// made from C, as [Activity] does for its input, except that unknown keys are
// refused. The function may be called again when orch.toml changes; an error
// refuses the new configuration. Use [ConfigProblem] to point at a key.
func Config[C any](fn func(context.Context, C) error) Configurer {
	schema, err := schemaOf[C](true)
	return Configurer{schema: schema, err: err, apply: func(ctx context.Context, data []byte) error {
		var c C
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&c); err != nil {
			return configDecodeError(reflect.TypeFor[C](), data, err)
		}
		return fn(ctx, c)
	}}
}

func configDecodeError(t reflect.Type, data []byte, err error) error {
	path, fault := locate(t, data, true)
	if fault == nil {
		fault = err
	}
	var typ *json.UnmarshalTypeError
	if errors.As(fault, &typ) {
		return ConfigProblem(path, "is a %s, want %s", typ.Value, typ.Type)
	}
	return ConfigProblem(path, "%v", fault)
}

// problem is a refused key.
type problem struct{ path, message string }

func (p *problem) Error() string {
	if p.path == "" {
		return p.message
	}
	return p.path + ": " + p.message
}

// ConfigProblem is an error that points at a key of the configuration, given
// as a dotted path below [plugins.<group>.config]. Several are joined with
// errors.Join; a text that is wrapped around one is told with it.
func ConfigProblem(path, format string, args ...any) error {
	return &problem{path, fmt.Sprintf(format, args...)}
}

// problemsOf flattens an error of a Config function.
func problemsOf(err error) (all []*pluginv1.Problem) {
	if err == nil {
		return nil
	}
	for _, p := range flatten(err) {
		all = append(all, &pluginv1.Problem{Path: validText(p.path), Message: validText(p.message)})
	}
	return all
}

// flatten finds the problems in an error. What was joined is several; a text
// that was put around a problem stays around its message.
func flatten(err error) []problem {
	var parts []error
	switch e := err.(type) { //nolint:errorlint // it takes the chain apart layer by layer
	case *problem:
		return []problem{*e}
	case interface{ Unwrap() []error }:
		parts = e.Unwrap()
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			parts = []error{inner}
		}
	}
	text := err.Error()
	var texts []string
	var inside, told []problem // told: with the text around them
	for _, part := range parts {
		texts = append(texts, part.Error())
		for _, p := range flatten(part) {
			inside = append(inside, p)
			told = append(told, problem{p.path, strings.Replace(text, part.Error(), p.message, 1)})
		}
	}
	pointing := slices.DeleteFunc(slices.Clone(told), func(p problem) bool { return p.path == "" })
	switch {
	case len(parts) > 0 && text == strings.Join(texts, "\n"):
		return inside // it adds nothing
	case len(pointing) == 0:
		return []problem{{message: text}}
	case len(parts) == 1:
		return told
	case len(pointing) > 1 || len(inside) > len(parts):
		for i := range pointing {
			pointing[i].message = text // all of them are parts of one sentence
		}
	}
	return pointing
}
