package shipper

import (
	"maps"
	"path/filepath"
	"slices"
)

const (
	attrPath = "log.file.path"
	attrName = "log.file.name"
)

// encodeAttributes encodes what the resources of several files have in common.
func encodeAttributes(labels map[string]string, enc Encoding) (b []byte) {
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		if enc == JSON {
			b = append(jsonAttribute(b, k, labels[k]), ',')
		} else {
			b = protoAttribute(b, 1, k, labels[k]) // Resource.attributes = 1
		}
	}
	return b
}

type attribute struct{ key, value string }

// own are the attributes of one file, where its labels do not say otherwise.
func (st *settings) own() (attrs [2]attribute, n int) {
	for _, a := range [...]attribute{{attrPath, st.path}, {attrName, filepath.Base(st.path)}} {
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
