package sdk

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// errUnknownKey is what is wrong with a key that a type has no field for.
var errUnknownKey = errors.New("unknown key")

var (
	jsonReader = reflect.TypeFor[json.Unmarshaler]()
	textReader = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// locate finds the part of a JSON value that cannot be read into t: its path,
// such as servers.b.checks[1].wait, and why. encoding/json tells the path of few
// errors, and leaves out list positions and the keys of maps. strict makes an
// unknown key an error.
func locate(t reflect.Type, data []byte, strict bool) (path string, err error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if strict {
		dec.DisallowUnknownFields()
	}
	if err = dec.Decode(reflect.New(t).Interface()); err == nil {
		return "", nil
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if p := reflect.PointerTo(t); !p.Implements(jsonReader) && !p.Implements(textReader) {
		switch t.Kind() {
		case reflect.Struct, reflect.Map:
			if path, inner := locateInObject(t, data, strict); inner != nil {
				return path, inner
			}
		case reflect.Slice, reflect.Array:
			if path, inner := locateInList(t, data, strict); inner != nil {
				return path, inner
			}
		}
	}
	return "", err
}

func locateInObject(t reflect.Type, data []byte, strict bool) (string, error) {
	var object map[string]json.RawMessage
	if json.Unmarshal(data, &object) != nil {
		return "", nil // it is no object, which is the fault
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if strict && !takes(t, key) {
			return key, errUnknownKey
		}
		if path, err := locate(valueType(t, key), object[key], strict); err != nil {
			return key + below(path), err
		}
	}
	return "", nil
}

// takes says whether encoding/json has a place for the key.
func takes(t reflect.Type, key string) bool {
	name, err := json.Marshal(key)
	if err != nil {
		return false
	}
	dec := json.NewDecoder(bytes.NewReader(fmt.Appendf(nil, "{%s:null}", name)))
	dec.DisallowUnknownFields()
	return dec.Decode(reflect.New(t).Interface()) == nil
}

// valueType is the type that a key's value is read into; any when it is not
// known to be read as it stands.
func valueType(t reflect.Type, key string) reflect.Type {
	if t.Kind() == reflect.Map {
		return t.Elem()
	}
	found := reflect.TypeFor[any]()
	for _, f := range fieldsOf(t) {
		if f.name == key {
			return f.typ
		}
		if strings.EqualFold(f.name, key) {
			found = f.typ
		}
	}
	return found
}

// below is a path as it follows the one that leads to it.
func below(path string) string {
	if path == "" || path[0] == '[' {
		return path
	}
	return "." + path
}

func locateInList(t reflect.Type, data []byte, strict bool) (string, error) {
	var list []json.RawMessage
	if json.Unmarshal(data, &list) != nil {
		return "", nil // it is no list, which is the fault
	}
	for i, v := range list {
		if path, err := locate(t.Elem(), v, strict); err != nil {
			return fmt.Sprintf("[%d]%s", i, below(path)), err
		}
	}
	return "", nil
}
