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
	required []string
}

type inputField struct {
	name  string
	index []int
}

func newInputDecoder(t reflect.Type) *inputDecoder {
	d := &inputDecoder{typ: t, isStruct: t.Kind() == reflect.Struct}
	if !d.isStruct || reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		d.isStruct = false
		return d
	}
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
		d.fields = append(d.fields, inputField{name, f.Index})
		if !strings.Contains(opts, "omitempty") && !strings.Contains(opts, "omitzero") {
			d.required = append(d.required, name)
		}
	}
	return d
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
		return explain(json.Unmarshal(first, into))
	}
	if len(args) == 1 {
		text := bytes.TrimLeft(first, " \t\r\n")
		if len(text) > 0 && text[0] == '{' {
			if err := explain(json.Unmarshal(first, into)); err != nil {
				return err
			}
			return d.checkRequired(first)
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
		if err := explain(json.Unmarshal(text, v.FieldByIndex(d.fields[i].index).Addr().Interface())); err != nil {
			return fmt.Errorf("argument %d (%s): %w", i+1, d.fields[i].name, err)
		}
		given[d.fields[i].name] = true
	}
	return d.missing(given)
}

// checkRequired looks for the required keys at the top of an object. Keys are
// compared as encoding/json does, ignoring case.
func (d *inputDecoder) checkRequired(object json.RawMessage) error {
	if len(d.required) == 0 {
		return nil
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(object, &keys); err != nil {
		return explain(err)
	}
	given := make(map[string]bool, len(keys))
	for k := range keys {
		given[strings.ToLower(k)] = true
	}
	for _, r := range d.required {
		if !given[strings.ToLower(r)] {
			return fmt.Errorf("the input lacks the required field %q", r)
		}
	}
	return nil
}

func (d *inputDecoder) missing(given map[string]bool) error {
	for _, r := range d.required {
		if !given[r] {
			return fmt.Errorf("the input lacks the required field %q", r)
		}
	}
	return nil
}

// explain turns encoding/json's errors into ones that name the field.
func explain(err error) error {
	var typ *json.UnmarshalTypeError
	if errors.As(err, &typ) {
		where := "the input"
		if typ.Field != "" {
			where = fmt.Sprintf("input field %q", typ.Field)
		}
		return fmt.Errorf("%s is a JSON %s, want %s", where, typ.Value, typ.Type)
	}
	if err != nil {
		return fmt.Errorf("read the input: %w", err)
	}
	return nil
}
