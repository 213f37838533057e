package config

import (
	"fmt"
	"strconv"
	"strings"
)

// found names a value for an error.
func found(v any) string {
	switch v := v.(type) {
	case string:
		return "the string " + strconv.Quote(shorten(v))
	case int64:
		return "the number " + strconv.FormatInt(v, 10)
	case float64:
		return "the number " + strconv.FormatFloat(v, 'g', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	case nil:
		return "nothing"
	}
	return "a date or time"
}

// foundIn is found, without the value where it may be a secret.
func foundIn(f *field, v any) string {
	if f.node.kind != secret {
		return found(v)
	}
	switch v.(type) {
	case int64, float64:
		return "a number"
	}
	return found(v)
}

func shorten(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "..."
	}
	return s
}

func quoted(names []string) string {
	q := make([]string, len(names))
	for i, n := range names {
		q[i] = strconv.Quote(n)
	}
	return strings.Join(q, ", ")
}

func didYouMeanOneOf(s string, names []string) string {
	if near := nearest(s, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}
