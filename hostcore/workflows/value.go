package workflows

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"

	"go.temporal.io/sdk/converter"
)

// value is an argument or a result, kept as the payload it came in so that it can be passed on without loss.
type value struct{ raw converter.RawValue }

// payloads readies arguments for an activity: payloads pass untouched, a missing one becomes null.
func payloads(args []any) []any {
	out := make([]any, len(args))
	for i, a := range args {
		if v, ok := a.(value); ok {
			a = v.raw
		}
		if raw, ok := a.(converter.RawValue); ok && raw.Payload() == nil {
			a = nil
		}
		out[i] = a
	}
	return out
}

func (v value) encoding() string {
	return string(v.raw.Payload().GetMetadata()[converter.MetadataEncoding])
}

// json returns the value's JSON text, or nil when it is missing, null or no JSON.
func (v value) json() json.RawMessage {
	switch v.encoding() {
	case converter.MetadataEncodingJSON, converter.MetadataEncodingProtoJSON:
		if data := bytes.TrimSpace(v.raw.Payload().GetData()); !bytes.Equal(data, []byte("null")) {
			return data
		}
	}
	return nil
}

// outcome is what a result says was done: its "action", and whether a stand-in did it; "" when it says nothing.
func (v value) outcome() string {
	var said struct {
		Action  string `json:"action"`
		Standin bool   `json:"standin"`
	}
	if json.Unmarshal(v.json(), &said) != nil {
		return ""
	}
	if said.Standin {
		return said.Action + " (stand-in)"
	}
	return said.Action
}

// missing reports whether the value was left out or is null.
func (v value) missing() bool {
	switch v.encoding() {
	case converter.MetadataEncodingNil:
		return true
	case converter.MetadataEncodingJSON, converter.MetadataEncodingProtoJSON:
		return v.json() == nil
	}
	return v.raw.Payload() == nil
}

// falsy reports whether the value is missing, null, false, "", 0, {} or [].
func (v value) falsy() bool {
	switch v.encoding() {
	case converter.MetadataEncodingJSON, converter.MetadataEncodingProtoJSON:
		return falsy(v.json())
	}
	return len(v.raw.Payload().GetData()) == 0
}

// object returns the value's keys; not ok when it is no JSON object.
func (v value) object() (object, bool) { return objectOf(v.json()) }

// fields returns the value's keys, none when it is no JSON object.
func (v value) fields() object {
	o, _ := v.object()
	return o
}

// text is how the value reads as a result: a string as it is, "" for nothing and null, anything else as its JSON.
func (v value) text() string {
	if s, ok := textOf(v.json()); ok {
		return s
	}
	if v.missing() || v.json() != nil {
		return string(v.json())
	}
	return v.kind()
}

// list returns the value's elements, none when it is no JSON array.
func (v value) list() []json.RawMessage {
	var l []json.RawMessage
	if json.Unmarshal(v.json(), &l) != nil {
		return nil
	}
	return l
}

// kind names the value's JSON type for error messages.
func (v value) kind() string {
	j := v.json()
	switch {
	case v.missing():
		return "null"
	case len(j) == 0:
		return fmt.Sprintf("a payload encoded as %q", v.encoding())
	case j[0] == '{':
		return "an object"
	case j[0] == '[':
		return "an array"
	case j[0] == '"':
		return "a string"
	case j[0] == 't' || j[0] == 'f':
		return "a boolean"
	}
	return "a number"
}

// object is a JSON object whose values keep the text they came in.
type object map[string]json.RawMessage

func objectOf(j json.RawMessage) (object, bool) {
	var o object
	if len(j) == 0 || json.Unmarshal(j, &o) != nil || o == nil {
		return nil, false
	}
	return o, true
}

// with returns a copy of o in which key holds v.
func (o object) with(key string, v any) object {
	j, err := json.Marshal(v)
	if err != nil { // every caller passes strings, numbers, or JSON that has been parsed
		panic(fmt.Sprintf("encode %s: %v", key, err))
	}
	return o.merge(object{key: j})
}

// merge returns a copy of o with the keys of over laid on top.
func (o object) merge(over object) object {
	out := make(object, len(o)+len(over))
	maps.Copy(out, o)
	maps.Copy(out, over)
	return out
}

// withDefault returns o with key set to v where o holds nothing under it.
func (o object) withDefault(key string, v any) object {
	if falsy(o[key]) {
		return o.with(key, v)
	}
	return o
}

// text returns the string under key, "" when there is none.
func (o object) text(key string) string {
	s, _ := textOf(o[key])
	return s
}

// isTrue and isFalse report whether key holds exactly that.
func (o object) isTrue(key string) bool  { return string(o[key]) == "true" }
func (o object) isFalse(key string) bool { return string(o[key]) == "false" }

func textOf(j json.RawMessage) (string, bool) {
	if len(j) == 0 || j[0] != '"' {
		return "", false
	}
	var s string
	return s, json.Unmarshal(j, &s) == nil
}

// falsy is the contract's rule: null, false, "", 0, {} and [] are falsy, and so is nothing at all.
func falsy(j json.RawMessage) bool {
	j = bytes.TrimSpace(j)
	if len(j) == 0 {
		return true
	}
	switch j[0] {
	case 'n', 'f':
		return true
	case 't':
		return false
	case '"':
		return len(j) == 2
	case '{', '[':
		return len(bytes.TrimSpace(j[1:len(j)-1])) == 0
	}
	n, err := strconv.ParseFloat(string(j), 64)
	return err == nil && n == 0
}
