package shipper

import (
	"maps"
	"slices"
)

// resource is a set of resource attributes with its encoded form, shared by all records of a file.
type resource struct {
	attributes map[string]string
	encoded    []byte
}

func newResource(attrs map[string]string, enc Encoding) *resource {
	r := &resource{attributes: attrs}
	keys := slices.Sorted(maps.Keys(attrs))
	if enc == JSON {
		r.encoded = append(r.encoded, `{"attributes":[`...)
		for i, k := range keys {
			if i > 0 {
				r.encoded = append(r.encoded, ',')
			}
			r.encoded = jsonAttribute(r.encoded, k, attrs[k])
		}
		r.encoded = append(r.encoded, `]}`...)
		return r
	}
	for _, k := range keys {
		r.encoded = protoAttribute(r.encoded, 1, k, attrs[k]) // Resource.attributes = 1
	}
	return r
}
