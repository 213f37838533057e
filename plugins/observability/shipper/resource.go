package shipper

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

const (
	attrPath = "log.file.path"
	attrName = "log.file.name"
)

// encodeAttributes encodes what the resources of several files have in common.
func encodeAttributes(labels map[string]string, enc Encoding) (b []byte) {
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		key, value := sound(k), sound(labels[k])
		if enc == JSON {
			b = append(jsonAttribute(b, key, value), ',')
		} else {
			b = protoAttribute(b, 1, key, value) // Resource.attributes = 1
		}
	}
	return b
}

// sound is s as OTLP takes it: a receiver refuses a request with text that is not UTF-8, the lines of other files too.
func sound(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

type attribute struct{ key, value string }

// own are the attributes of one file, where its labels do not say otherwise.
func (st *settings) own() (attrs [2]attribute, n int) {
	for _, a := range [...]attribute{{attrPath, sound(st.path)}, {attrName, sound(filepath.Base(st.path))}} {
		if _, given := st.labels[a.key]; !given {
			attrs[n] = a
			n++
		}
	}
	return attrs, n
}

// attributes are all that the file's resource has.
func (st *settings) attributes() map[string]string {
	all := maps.Clone(st.labels)
	if all == nil {
		all = map[string]string{}
	}
	attrs, n := st.own()
	for _, a := range attrs[:n] {
		all[a.key] = a.value
	}
	return all
}
