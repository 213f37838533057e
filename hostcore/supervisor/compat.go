package supervisor

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// schema is the part of a JSON Schema by which contracts are compared.
type schema struct {
	Properties map[string]json.RawMessage `json:"properties"`
	Required   []string                   `json:"required"`
}

// Breaking lists how next breaks callers of old: names it drops, input it newly
// requires, output it no longer promises.
func Breaking(old, next *pluginv1.Manifest) []string {
	offered := map[string]*pluginv1.ActivitySpec{}
	for _, a := range next.GetActivities() {
		offered[a.GetName()] = a
	}
	var broken []string
	for _, was := range old.GetActivities() {
		is, ok := offered[was.GetName()]
		if !ok {
			broken = append(broken, fmt.Sprintf("activity %s is gone", was.GetName()))
			continue
		}
		oldIn, newIn := parse(was.GetInputSchema()), parse(is.GetInputSchema())
		for _, r := range newIn.Required {
			if !slices.Contains(oldIn.Required, r) {
				broken = append(broken, fmt.Sprintf("activity %s now requires input %q", was.GetName(), r))
			}
		}
		oldOut, newOut := parse(was.GetOutputSchema()), parse(is.GetOutputSchema())
		for p := range oldOut.Properties {
			if _, ok := newOut.Properties[p]; !ok && len(newOut.Properties) > 0 {
				broken = append(broken, fmt.Sprintf("activity %s no longer returns %q", was.GetName(), p))
			}
		}
	}
	slices.Sort(broken)
	return broken
}

func parse(text []byte) schema {
	var s schema
	_ = json.Unmarshal(text, &s) // CheckManifest has seen to it that it is JSON; a schema that is no object promises nothing
	return s
}

// IncompatibleError is a swap that would break callers.
type IncompatibleError struct {
	Old, New, Group string
	Changes         []string
}

func (e *IncompatibleError) Error() string {
	return fmt.Sprintf("%s cannot replace %s: %s; offer the new contract under a new name (\"name@2\"), or set plugins.%s.allow_breaking = true",
		e.New, e.Old, strings.Join(e.Changes, ", "), e.Group)
}
