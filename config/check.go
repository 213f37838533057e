package config

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// checker holds one source against the types. What is right ends up in the result, as text, whole numbers, booleans,
// lists and tables only, with absolute paths; what is wrong is reported and left out.
type checker struct {
	*source
	root   *node
	report *report
}

func (c *checker) problem(p *keyPath, message, hint string) {
	c.report.add(c.places.find(p, c.fallback), p, message, hint)
}

var tableName = regexp.MustCompile(`^[A-Za-z0-9]+([_-][A-Za-z0-9]+)*$`)

// maxTableName is how long the name of a service or a group may be.
const maxTableName = 100

func (c *checker) table(n *node, raw map[string]any, p *keyPath) map[string]any {
	out := map[string]any{}
	for _, key := range sortedKeys(raw) {
		value, at := raw[key], p.key(key)
		f := n.field(key)
		if f != nil {
			if _, isTable := value.(map[string]any); isTable && n.rest != nil {
				c.problem(at, fmt.Sprintf("is a setting of [%s] itself, so no group can have this name", p), "name the group differently")
				continue
			}
			if v, ok := c.value(f, value, at); ok {
				out[key] = v
			}
			continue
		}
		sub, isTable := value.(map[string]any)
		if named := n.named(); named != nil && (isTable || n.kind == dict) {
			switch {
			case !c.tableName(key, at):
			case !isTable:
				c.problem(at, "expected a table, found "+found(value), fmt.Sprintf("write [%s]", at))
			default:
				out[key] = c.table(named, sub, at)
			}
			continue
		}
		c.unknown(n, key, p, at)
	}
	return out
}

func (c *checker) unknown(n *node, key string, p, at *keyPath) {
	hint := ""
	if near := nearest(key, n.keys()); near != "" {
		hint = `did you mean "` + near + `"?`
	} else if homes := c.root.homes(key, ""); len(homes) > 0 {
		hint = fmt.Sprintf("%q belongs in %s", key, strings.Join(homes, " or "))
	} else {
		hint = didYouMean(key, n.keys())
	}
	c.problem(at, "unknown key", hint)
}

func (c *checker) tableName(name string, p *keyPath) bool {
	if tableName.MatchString(name) && len(name) <= maxTableName {
		return true
	}
	hint := ""
	if near := strings.Trim(regexp.MustCompile(`[^A-Za-z0-9]+`).ReplaceAllString(name, "-"), "-"); near != "" && len(near) <= maxTableName {
		hint = fmt.Sprintf("such as %q", near)
	}
	c.problem(p, fmt.Sprintf("this name becomes part of workflow ids, queues and environment variables: letters, digits, and single '-' or '_' between them, %d at the most", maxTableName), hint)
	return false
}

// value checks one setting; ok is false when it was reported.
func (c *checker) value(f *field, raw any, p *keyPath) (v any, ok bool) {
	wrong := func(expected string) (any, bool) {
		c.problem(p, "expected "+expected+", found "+foundIn(f, raw), "")
		return nil, false
	}
	refuse := func(err error) (any, bool) {
		c.problem(p, err.Error(), "")
		return nil, false
	}
	switch f.node.kind {
	case table, dict:
		sub, isTable := raw.(map[string]any)
		if !isTable {
			return wrong("a table")
		}
		return c.table(f.node, sub, p), true
	case free:
		sub, isTable := raw.(map[string]any)
		if !isTable {
			return wrong("a table")
		}
		return c.free(sub, p), true
	case list:
		items, isList := raw.([]any)
		if !isList {
			return wrong("a list of strings")
		}
		return c.list(f, items, p)
	case toggle:
		if _, isBool := raw.(bool); !isBool {
			return wrong("true or false")
		}
		return raw, true
	case number:
		n, isInt := raw.(int64)
		if !isInt {
			return wrong("a whole number")
		}
		if err := f.limits(n, func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) }, func(n int64) string { return strconv.FormatInt(n, 10) }); err != nil {
			return refuse(err)
		}
		return n, true
	case span:
		s, isText := raw.(string)
		if !isText {
			return wrong(`a duration such as "30s", "5m" or "30d"`)
		}
		d, err := ParseDuration(s)
		if err == nil {
			err = f.limits(int64(d), func(s string) (int64, error) { d, err := ParseDuration(s); return int64(d), err }, func(n int64) string { return formatDuration(time.Duration(n)) })
		}
		if err != nil {
			return refuse(err)
		}
		return s, true
	case amount:
		n, isInt := raw.(int64)
		s, isText := raw.(string)
		if !isInt && !isText {
			return wrong(`an amount of memory such as "256MiB"`)
		}
		if isText {
			b, err := ParseBytes(s)
			if err != nil {
				return refuse(err)
			}
			n = int64(b)
		}
		if err := f.limits(n, func(s string) (int64, error) { b, err := ParseBytes(s); return int64(b), err }, func(n int64) string { return Bytes(n).String() }); err != nil {
			hint := ""
			if isInt && n > 0 {
				hint = fmt.Sprintf("a plain number counts bytes; did you mean \"%dMiB\"?", n)
			}
			c.problem(p, err.Error(), hint)
			return nil, false
		}
		return strconv.FormatInt(n, 10), true
	case secret:
		s, isText := raw.(string)
		if !isText {
			return wrong("a string, best a reference such as \"env:NAME\" or \"file:/path\"")
		}
		return c.reference(s), true
	}
	s, isText := raw.(string)
	if !isText {
		return wrong("a string")
	}
	return c.text(f, s, p)
}

func (c *checker) text(f *field, s string, p *keyPath) (any, bool) {
	if strings.ContainsRune(s, 0) {
		c.problem(p, "has a zero byte in it", "")
		return nil, false
	}
	if len(f.oneof) > 0 && !slices.Contains(f.oneof, s) {
		c.problem(p, fmt.Sprintf("expected one of %s, found %q", quoted(f.oneof), s), didYouMeanOneOf(s, f.oneof))
		return nil, false
	}
	if s == "" {
		return s, true
	}
	if f.path {
		return c.absolute(s), true
	}
	if f.check != "" {
		if message, hint := checks[f.check](s); message != "" {
			c.problem(p, message, hint)
			return nil, false
		}
	}
	return s, true
}

func (c *checker) list(f *field, items []any, p *keyPath) (any, bool) {
	out, good := make([]any, 0, len(items)), true
	for i, item := range items {
		s, isText := item.(string)
		switch {
		case !isText:
			c.problem(p.index(i), "expected a string, found "+foundIn(f, item), "")
			good = false
			continue
		case s == "":
			c.problem(p.index(i), "is empty", "")
			good = false
			continue
		}
		v, ok := c.text(f, s, p.index(i))
		good = good && ok
		if slices.Contains(out, v) && ok {
			c.problem(p.index(i), fmt.Sprintf("%q is in the list twice", s), "")
			good = false
		}
		out = append(out, v)
	}
	return out, good
}

// free takes any table, as JSON can hold it.
func (c *checker) free(raw map[string]any, p *keyPath) map[string]any {
	out := make(map[string]any, len(raw))
	for _, k := range sortedKeys(raw) {
		out[k] = c.anything(raw[k], p.key(k))
	}
	return out
}

func (c *checker) anything(raw any, p *keyPath) any {
	switch v := raw.(type) {
	case map[string]any:
		return c.free(v, p)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = c.anything(v[i], p.index(i))
		}
		return out
	case string:
		return c.reference(v)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			c.problem(p, "expected a number that JSON can hold, found "+found(raw), "")
		}
		return v
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case toml.LocalDate, toml.LocalTime, toml.LocalDateTime:
		return fmt.Sprint(v)
	}
	return raw
}

// limits holds a number against min and max, which are in the notation of the file.
func (f *field) limits(n int64, parse func(string) (int64, error), format func(int64) string) error {
	if f.zero && n == 0 {
		return nil
	}
	lowest, highest := int64(math.MinInt64), int64(math.MaxInt64)
	if f.min != "" {
		lowest, _ = parse(f.min)
	}
	if f.max != "" {
		highest, _ = parse(f.max)
	}
	switch {
	case n < lowest && f.max != "", n > highest:
		return fmt.Errorf("expected %s to %s, found %s", f.min, f.max, format(n))
	case n < lowest:
		return fmt.Errorf("expected %s or more, found %s", f.min, format(n))
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
