package sdk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/orch-host/orch/sdk/pluginv1"
)

const (
	encodingKey      = "encoding"
	encodingJSON     = "json/plain"
	encodingProtoJS  = "json/protobuf"
	encodingNull     = "binary/null"
	encodingBytes    = "binary/plain"
	maxPayloadBytes  = 2 << 20 // Temporal's default limit of one payload
	maxMessageBytes  = 64 << 20
	streamWindowSize = 8 << 20
	// streamWorkers keep their grown stacks from one attempt to the next; what
	// comes while they are busy gets goroutines of its own.
	streamWorkers = 4
)

// encodePayload turns a Go value into a Temporal payload: nil is binary/null,
// everything else JSON.
func encodePayload(v any) (*pluginv1.Payload, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, &Error{Type: TypeInvalidOutput, Message: fmt.Sprintf("encode the result as JSON: %v", err), NonRetryable: true}
	}
	if bytes.Equal(data, []byte("null")) {
		return &pluginv1.Payload{Metadata: map[string][]byte{encodingKey: []byte(encodingNull)}}, nil
	}
	if len(data) > maxPayloadBytes {
		return nil, &Error{Type: TypeResultTooLarge, NonRetryable: true, Message: fmt.Sprintf(
			"the result has %d bytes as JSON, more than the %d that Temporal takes: write it to a file or an object store and return where it is", len(data), maxPayloadBytes)}
	}
	return &pluginv1.Payload{Metadata: map[string][]byte{encodingKey: []byte(encodingJSON)}, Data: data}, nil
}

// jsonOf returns the JSON text of a payload.
func jsonOf(p *pluginv1.Payload) (json.RawMessage, error) {
	switch enc := string(p.GetMetadata()[encodingKey]); enc {
	case encodingJSON, encodingProtoJS:
		return p.GetData(), nil
	case encodingNull:
		return json.RawMessage("null"), nil
	case encodingBytes:
		return json.Marshal(p.GetData()) // base64, as encoding/json expects for []byte
	case "":
		return nil, errors.New("a payload without an encoding")
	default:
		return nil, fmt.Errorf("a payload with encoding %q, want %s", enc, encodingJSON)
	}
}

// inputDecoder fills an activity's input type from its arguments. The
// reflection on the type is done once.
type inputDecoder struct {
	typ      reflect.Type
	isStruct bool
	fields   []inputField
	needs    *needs   // of the whole input
	each     []*needs // of each field
}

type inputField struct {
	name     string
	index    []int
	typ      reflect.Type
	required bool
}

func newInputDecoder(t reflect.Type) *inputDecoder {
	d := &inputDecoder{typ: t, needs: needsOf(t)}
	if t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(jsonReader) {
		return d
	}
	d.isStruct, d.fields = true, fieldsOf(t)
	for _, f := range d.fields {
		d.each = append(d.each, needsOf(f.typ, t))
	}
	return d
}

// fieldsOf lists the fields of a struct that encoding/json fills, in the order
// of their declaration.
func fieldsOf(t reflect.Type) []inputField {
	var fields []inputField
	var below [][]int // embedded structs that a tag makes one field, or none
	for _, f := range reflect.VisibleFields(t) {
		if slices.ContainsFunc(below, func(outer []int) bool { return slices.Equal(outer, f.Index[:min(len(outer), len(f.Index))]) }) {
			continue // its key is not one of t's
		}
		tag, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && tag != "" {
			below = append(below, f.Index)
		}
		if !f.IsExported() || tag == "-" || (f.Anonymous && tag == "") {
			continue
		}
		name := f.Name
		if tag != "" {
			name = tag
		}
		typ := f.Type
		if strings.Contains(opts, "string") {
			typ = reflect.TypeFor[any]() // its value does not read into the type as it stands
		}
		fields = append(fields, inputField{name, f.Index, typ, !strings.Contains(opts, "omitempty") && !strings.Contains(opts, "omitzero")})
	}
	return fields
}

// decode fills *into from the arguments by the rule that [Activity] documents.
func (d *inputDecoder) decode(args []*pluginv1.Payload, into any) error {
	if len(args) == 0 {
		return d.missing(nil)
	}
	first, err := jsonOf(args[0])
	if err != nil {
		return err
	}
	if !d.isStruct {
		if len(args) > 1 {
			return fmt.Errorf("got %d arguments, want one", len(args))
		}
		if err := explain(d.typ, first, json.Unmarshal(first, into)); err != nil {
			return err
		}
		return d.needs.check("", first)
	}
	if len(args) == 1 {
		text := bytes.TrimLeft(first, " \t\r\n")
		if len(text) > 0 && text[0] == '{' {
			if err := explain(d.typ, first, json.Unmarshal(first, into)); err != nil {
				return err
			}
			return d.needs.check("", first)
		}
		if bytes.Equal(text, []byte("null")) {
			return d.missing(nil)
		}
	}
	if len(args) > len(d.fields) {
		return fmt.Errorf("got %d positional arguments, want at most %d", len(args), len(d.fields))
	}
	given := map[string]bool{}
	v := reflect.ValueOf(into).Elem()
	for i, arg := range args {
		text, err := jsonOf(arg)
		if err != nil {
			return fmt.Errorf("argument %d (%s): %w", i+1, d.fields[i].name, err)
		}
		field, err := fieldIn(v, d.fields[i].index)
		if err == nil {
			err = json.Unmarshal(text, field.Addr().Interface())
		}
		if err := explain(d.fields[i].typ, text, err); err != nil {
			return fmt.Errorf("argument %d (%s): %w", i+1, d.fields[i].name, err)
		}
		if err := d.each[i].check(d.fields[i].name, text); err != nil {
			return err
		}
		given[d.fields[i].name] = true
	}
	return d.missing(given)
}

// fieldIn is v.FieldByIndex that makes the embedded structs on the way where
// encoding/json would, and not where it cannot.
func fieldIn(v reflect.Value, index []int) (reflect.Value, error) {
	for _, i := range index {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() && !v.CanSet() {
				return v, fmt.Errorf("it is in an embedded pointer to the unexported %s, which cannot be set", v.Type().Elem())
			}
			if v.IsNil() {
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v, nil
}

func (d *inputDecoder) missing(given map[string]bool) error {
	for _, f := range d.fields {
		if f.required && !given[f.name] {
			return lacking(f.name)
		}
	}
	return nil
}

// explain turns an error of reading data into t into one that names the field.
func explain(t reflect.Type, data []byte, err error) error {
	if err == nil {
		return nil
	}
	path, fault := locate(t, data, false)
	if fault == nil {
		fault = err
	}
	where := "the input"
	if path != "" {
		where = fmt.Sprintf("input field %q", path)
	}
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(fault, &typ):
		return fmt.Errorf("%s is a JSON %s, want %s", where, typ.Value, typ.Type)
	case path != "":
		return fmt.Errorf("%s: %w", where, fault)
	}
	return fmt.Errorf("read the input: %w", fault)
}
