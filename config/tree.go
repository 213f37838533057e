package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// kind is what a value in the file may be.
type kind int

const (
	table  kind = iota // fixed keys
	dict               // tables under names that the user chooses
	free               // any keys and values: parameters and the plugins' own tables
	list               // strings
	text               // a string
	number             // a whole number
	toggle             // true or false
	span               // a Duration
	amount             // Bytes
	secret             // a Secret
)

// node is the shape of one value. The tree of nodes is made from the types and their tags; everything that must know
// the keys walks it.
type node struct {
	kind   kind
	fields []*field // of a table
	rest   *node    // of a table: what its further sub-tables are ([plugins.<group>])
	elem   *node    // of a dict
}

// field is a key of a table.
type field struct {
	key      string
	doc      string
	fallback string   // documented default, where it is not a constant
	flag     string   // name of the flag, without dashes
	check    string   // name of a rule in checks
	oneof    []string // allowed values
	min, max string   // limits, in the notation of the file
	zero     bool     // zero is allowed below min: it means "unset"
	path     bool     // a file or folder
	node     *node
	index    int // in the struct
}

// shape is the tree of Config.
func shape() *node { return nodeOf(reflect.TypeFor[Config]()) }

func nodeOf(t reflect.Type) *node {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return &node{kind: span}
	case reflect.TypeFor[Bytes]():
		return &node{kind: amount}
	case reflect.TypeFor[Secret]():
		return &node{kind: secret}
	case reflect.TypeFor[map[string]any]():
		return &node{kind: free}
	case reflect.TypeFor[[]string]():
		return &node{kind: list}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return nodeOf(t.Elem())
	case reflect.String:
		return &node{kind: text}
	case reflect.Int:
		return &node{kind: number}
	case reflect.Bool:
		return &node{kind: toggle}
	case reflect.Map:
		return &node{kind: dict, elem: nodeOf(t.Elem())}
	case reflect.Struct:
		return tableOf(t)
	}
	panic(fmt.Sprintf("config: no notation for type %s", t)) // a mistake in the types, found by every test
}

func tableOf(t reflect.Type) *node {
	n := &node{kind: table}
	for i := range t.NumField() {
		f := t.Field(i)
		key := f.Tag.Get("toml")
		switch {
		case !f.IsExported() || key == "-":
			continue
		case key == ",remain":
			n.rest = nodeOf(f.Type.Elem())
			continue
		}
		n.fields = append(n.fields, &field{
			key: key, doc: f.Tag.Get("doc"), fallback: f.Tag.Get("default"), flag: f.Tag.Get("flag"),
			check: f.Tag.Get("check"), oneof: strings.Fields(f.Tag.Get("oneof")),
			min: f.Tag.Get("min"), max: f.Tag.Get("max"), zero: f.Tag.Get("zero") != "",
			path: f.Tag.Get("path") != "",
			node: nodeOf(f.Type), index: i,
		})
	}
	return n
}

// field finds a key of a table; nil when there is none.
func (n *node) field(key string) *field {
	for _, f := range n.fields {
		if f.key == key {
			return f
		}
	}
	return nil
}

func (n *node) keys() []string {
	keys := make([]string, len(n.fields))
	for i, f := range n.fields {
		keys[i] = f.key
	}
	return keys
}

// named is the shape of the tables under names that the user chooses, or nil.
func (n *node) named() *node {
	if n.kind == dict {
		return n.elem
	}
	return n.rest
}

// homes lists the tables that have a key, so that a key in the wrong table can be pointed to the right one.
func (n *node) homes(key, prefix string) []string {
	var found []string
	for _, f := range n.fields {
		name := f.key
		if prefix != "" {
			name = prefix + "." + f.key
		}
		if f.key == key && prefix != "" {
			found = append(found, "["+prefix+"]")
		}
		found = append(found, f.node.homes(key, name)...)
	}
	if sub := n.named(); sub != nil {
		found = append(found, sub.homes(key, prefix+".<name>")...)
	}
	return found
}
