package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// prefix of the environment variables that are settings; separator goes between the levels of the key path.
const (
	prefix    = "ORCH_"
	separator = "__"
)

// ignoredEnv are variables with our prefix that are no settings. A * at the end stands for any rest.
var ignoredEnv = []string{"ORCH_CONFIG", "ORCH_SPECS"}

// environLayer reads ORCH_* variables. Names under which users file things (services, groups, parameters) are taken
// from the file where one matches, since a variable cannot tell logs-pipeline from LOGS_PIPELINE.
func environLayer(env []string, ignore []string, root *node, file map[string]any, r *report, s source) *source {
	s.values, s.places = map[string]any{}, origins{}
	env = slices.Clone(env)
	slices.Sort(env) // a whole table before its keys
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		rest, ours := strings.CutPrefix(name, prefix)
		if !ours || value == "" || ignored(name, ignoredEnv) || ignored(name, ignore) {
			continue
		}
		e := envWalk{name: name, source: &s, report: r}
		keys, n, ok := e.resolve(root, strings.Split(rest, separator), file)
		if !ok {
			r.add(place{file: name}, nil, e.message, e.hint(root, file))
			continue
		}
		s.set(keys, n, value, place{file: name}, r)
	}
	return &s
}

func ignored(name string, list []string) bool {
	return slices.ContainsFunc(list, func(p string) bool {
		start, wild := strings.CutSuffix(p, "*")
		return p == name || wild && strings.HasPrefix(name, start)
	})
}

// set puts the text of one variable or flag at a key path.
func (s *source) set(keys []string, n *node, value string, from place, r *report) {
	path := at(keys...)
	v, err := n.parse(value)
	if err != nil {
		r.add(from, path, err.Error(), "")
		return
	}
	m := s.values
	for _, k := range keys[:len(keys)-1] {
		sub, isTable := m[k].(map[string]any)
		if !isTable && m[k] != nil {
			r.add(from, path, "a value around it is set as well, and is no table", "set one of the two")
			return
		}
		if !isTable {
			sub = map[string]any{}
			m[k] = sub
		}
		m = sub
	}
	m[keys[len(keys)-1]] = v
	for p := path; p != nil; p = p.parent {
		if _, known := s.places[p.String()]; !known || p == path {
			s.places[p.String()] = from
		}
	}
}

// envWalk finds the key path that a variable means.
type envWalk struct {
	name    string
	message string
	*source
	report *report
}

func (e *envWalk) resolve(n *node, parts []string, file map[string]any) (keys []string, leaf *node, ok bool) {
	for i, part := range parts {
		if part == "" {
			e.message = "names no setting: a level of its name is empty"
			return nil, nil, false
		}
		var next *node
		key := ""
		if f := n.byEnv(part); f != nil {
			key, next = f.key, f.node
		} else if n.kind == free || n.named() != nil && i+1 < len(parts) {
			if key, ok = e.existing(part, n, file); !ok {
				return nil, nil, false
			}
			if next = n.named(); n.kind == free {
				next = n
			}
		} else {
			e.message = "names no setting"
			return nil, nil, false
		}
		keys, n = append(keys, key), next
		file, _ = file[key].(map[string]any)
	}
	if n.kind == table || n.kind == dict {
		e.message = "names a table, not a setting"
		return nil, nil, false
	}
	return keys, n, true
}

// existing is the name in the file that a part of a variable stands for, or else the part in lower case.
func (e *envWalk) existing(part string, n *node, file map[string]any) (string, bool) {
	var matches []string
	for _, key := range sortedKeys(file) {
		if envPart(key) == part && n.field(key) == nil {
			matches = append(matches, key)
		}
	}
	switch len(matches) {
	case 0:
		return strings.ToLower(part), true
	case 1:
		return matches[0], true
	}
	e.message = fmt.Sprintf("%s could mean %s", part, strings.Join(matches, " or "))
	return "", false
}

// hint names the variable that was probably meant.
func (e *envWalk) hint(root *node, file map[string]any) string {
	return didYouMean(e.name, root.variables(prefix, file))
}

// variables lists the variables of all settings, with the names that the file has.
func (n *node) variables(start string, file map[string]any) []string {
	var names []string
	for _, f := range n.fields {
		name := start + envPart(f.key)
		switch f.node.kind {
		case table, dict:
			sub, _ := file[f.key].(map[string]any)
			names = append(names, f.node.variables(name+separator, sub)...)
		default:
			names = append(names, name)
		}
	}
	if sub := n.named(); sub != nil {
		for _, key := range sortedKeys(file) {
			if inner, isTable := file[key].(map[string]any); isTable && n.field(key) == nil {
				names = append(names, sub.variables(start+envPart(key)+separator, inner)...)
			}
		}
	}
	return names
}

func (n *node) byEnv(part string) *field {
	for _, f := range n.fields {
		if envPart(f.key) == part {
			return f
		}
	}
	return nil
}

// envPart is a key as a level of a variable.
func envPart(key string) string {
	return strings.NewReplacer("-", "_", ".", "_").Replace(strings.ToUpper(key))
}

// parse turns text, which is all that variables and flags have, into what a file would hold.
func (n *node) parse(s string) (any, error) {
	switch n.kind {
	case number:
		v, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("expected a whole number, found %q", shorten(s))
		}
		return v, nil
	case toggle:
		v, err := strconv.ParseBool(strings.TrimSpace(s))
		if err != nil {
			return nil, fmt.Errorf("expected true or false, found %q", shorten(s))
		}
		return v, nil
	case list:
		if v, ok := parseJSON(s).([]any); ok {
			return v, nil
		}
		var items []any
		for item := range strings.SplitSeq(s, ",") {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, item)
			}
		}
		return items, nil
	case free:
		if v := parseJSON(s); v != nil {
			return v, nil
		}
	}
	return s, nil
}

// parseJSON reads a JSON value as a TOML parser would give it; nil when it is none.
func parseJSON(s string) any {
	d := json.NewDecoder(bytes.NewReader([]byte(s)))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil
	}
	if _, err := d.Token(); err != io.EOF {
		return nil
	}
	return fromJSON(v)
}

func fromJSON(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case map[string]any:
		for k := range v {
			v[k] = fromJSON(v[k])
		}
	case []any:
		for i := range v {
			v[i] = fromJSON(v[i])
		}
	}
	return v
}
