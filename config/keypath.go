package config

import (
	"regexp"
	"strconv"
	"strings"
)

// keyPath is the way from the root to a value; nil is the root. It is linked upwards, so that the place of a value that
// was never written falls back to that of its table.
type keyPath struct {
	parent *keyPath
	depth  int
	name   string // as printed: a bare key, a quoted key, or "[3]"
}

var bareKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func (p *keyPath) key(name string) *keyPath {
	if !bareKey.MatchString(name) {
		name = strconv.Quote(name)
	}
	return &keyPath{parent: p, depth: p.level() + 1, name: name}
}

func (p *keyPath) index(i int) *keyPath {
	return &keyPath{parent: p, depth: p.level() + 1, name: "[" + strconv.Itoa(i) + "]"}
}

// level is the number of names in the path.
func (p *keyPath) level() int {
	if p == nil {
		return 0
	}
	return p.depth
}

func (p *keyPath) String() string {
	var names []string
	for ; p != nil; p = p.parent {
		names = append(names, p.name)
	}
	var b strings.Builder
	for i := len(names) - 1; i >= 0; i-- {
		if b.Len() > 0 && names[i][0] != '[' {
			b.WriteByte('.')
		}
		b.WriteString(names[i])
	}
	return b.String()
}

// at makes a path of keys.
func at(keys ...string) *keyPath {
	var p *keyPath
	for _, k := range keys {
		p = p.key(k)
	}
	return p
}

// find is the place of the value at p, or of the nearest table around it, or the fallback.
func (o origins) find(p *keyPath, fallback place) place {
	for ; p != nil; p = p.parent {
		if at, ok := o[p.String()]; ok {
			return at
		}
	}
	return fallback
}
