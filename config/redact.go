package config

import (
	"reflect"
	"time"
)

// Redacted is the whole configuration under the keys of the file, for printing: secrets are masked, in [Secret] fields as
// well as in the plugins' tables and in parameters, where the key tells, and passwords in URLs and connection strings;
// references stay as they are.
func (c *Config) Redacted() map[string]any {
	return redactTable(shape(), reflect.ValueOf(*c))
}

func redactTable(n *node, v reflect.Value) map[string]any {
	out := map[string]any{}
	for _, f := range n.fields {
		if value := redactValue(f.node, v.Field(f.index)); value != nil {
			out[f.key] = value
		}
	}
	if n.rest != nil {
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("toml") == ",remain" {
				for name, sub := range redactDict(n.rest, v.Field(i)) {
					out[name] = sub
				}
			}
		}
	}
	return out
}

func redactDict(elem *node, v reflect.Value) map[string]any {
	out := map[string]any{}
	for it := v.MapRange(); it.Next(); {
		out[it.Key().String()] = redactTable(elem, it.Value())
	}
	return out
}

// redactValue is nil for what is not set and has no default.
func redactValue(n *node, v reflect.Value) any {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch n.kind {
	case table:
		return redactTable(n, v)
	case dict:
		return redactDict(n.elem, v)
	case free:
		if v.IsNil() {
			return nil
		}
		return redactFree(v.Interface(), false)
	case list:
		if v.IsNil() {
			return nil
		}
		items := []any{}
		for i := range v.Len() {
			items = append(items, maskText(v.Index(i).String()))
		}
		return items
	case span:
		return formatDuration(time.Duration(v.Int()))
	case amount:
		return Bytes(v.Int()).String()
	case secret:
		if s := v.Interface().(Secret); !s.IsZero() {
			return s.String()
		}
		return nil
	}
	if v.Kind() == reflect.String {
		return maskText(v.String())
	}
	return v.Interface()
}

// redactFree masks the values whose key, or a key around them, names a secret.
func redactFree(v any, hide bool) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = redactFree(v[k], hide || hides(k))
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = redactFree(v[i], hide)
		}
		return out
	case string:
		if hide && v != "" && !isReference(v) {
			return mask
		}
		return maskText(v)
	case int64, float64:
		if hide {
			return mask
		}
	}
	return v
}
