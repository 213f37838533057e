package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

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
// errors.Join.
func ConfigProblem(path, format string, args ...any) error {
	return &problem{path, fmt.Sprintf(format, args...)}
}

// problemsOf flattens an error of a Config function.
func problemsOf(err error) []*pluginv1.Problem {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*pluginv1.Problem
		for _, e := range joined.Unwrap() {
			all = append(all, problemsOf(e)...)
		}
		return all
	}
	var p *problem
	if errors.As(err, &p) {
		return []*pluginv1.Problem{{Path: validText(p.path), Message: validText(p.message)}}
	}
	return []*pluginv1.Problem{{Message: validText(err.Error())}}
}
