package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"sort"

	"go.yaml.in/yaml/v3"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// Case is a call with a known outcome, as a cases file lists it.
type Case struct {
	Activity string `yaml:"activity"`
	Input    any    `yaml:"input"`  // one argument
	Args     []any  `yaml:"args"`   // several, instead of input
	Expect   any    `yaml:"expect"` // what the result must hold; of objects, further keys are allowed
	Fails    string `yaml:"fails"`  // the failure's type, when it must fail
	Cancel   bool   `yaml:"cancel"` // it runs long: it is cancelled and has to answer
}

func (c Case) args() []any {
	if c.Args != nil {
		return c.Args
	}
	if c.Input == nil {
		return nil
	}
	return []any{c.Input}
}

// ParseCases reads a cases file: a YAML (or JSON) list of cases.
func ParseCases(data []byte) ([]Case, error) {
	var cases []Case
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&cases); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("want a list of {activity, input or args, expect or fails, cancel}: %w", err)
	}
	for i, c := range cases {
		switch {
		case c.Activity == "":
			return nil, fmt.Errorf("case %d names no activity", i+1)
		case c.Input != nil && c.Args != nil:
			return nil, fmt.Errorf("case %d (%s) has both input and args: input is the only argument, args are several", i+1, c.Activity)
		case c.Expect != nil && c.Fails != "":
			return nil, fmt.Errorf("case %d (%s) has both expect and fails: it can do one of them", i+1, c.Activity)
		case c.Cancel && (c.Expect != nil || c.Fails != ""):
			return nil, fmt.Errorf("case %d (%s) is cancelled and has expect or fails as well, which nothing would check: make it two cases", i+1, c.Activity)
		}
	}
	return cases, nil
}

// checkCases refuses cases about activities that the plugin does not offer.
func (k *kit) checkCases() error {
	for i, c := range k.o.Cases {
		if !slices.ContainsFunc(k.manifest.GetActivities(), func(a *pluginv1.ActivitySpec) bool { return a.GetName() == c.Activity }) {
			return fmt.Errorf("case %d of the cases file is about %q, which %s does not offer", i+1, c.Activity, k.manifest.GetName())
		}
	}
	return nil
}

// sample is an input with which an activity may be run; why says that there is
// none.
type sample struct {
	args  []any
	given bool // by the cases file: it is known to be good
	why   error
}

// object is the sample when it is one JSON object.
func (s sample) object() (map[string]any, bool) {
	if s.why != nil || len(s.args) != 1 {
		return nil, false
	}
	o, ok := s.args[0].(map[string]any)
	return o, ok
}

// prepareSamples finds an input for every activity that may be run.
func (k *kit) prepareSamples() {
	for _, a := range k.manifest.GetActivities() {
		k.samples[a.GetName()] = k.sampleFor(a)
	}
}

func (k *kit) sampleFor(a *pluginv1.ActivitySpec) sample {
	for _, c := range k.o.Cases {
		if c.Activity == a.GetName() && c.Fails == "" && !c.Cancel {
			return sample{args: c.args(), given: true}
		}
	}
	switch {
	case k.o.NoSamples:
		return sample{why: skip("no case of the cases file (--cases) runs it, and made-up inputs are turned off")}
	case !a.GetIdempotent():
		return sample{why: skip("it is not idempotent: a case of the cases file (--cases) has to say with which input it may be run")}
	}
	v, err := sampleOf(a.GetInputSchema())
	if err != nil {
		return sample{why: skip("%v: give an input in the cases file (--cases)", err)}
	}
	return sample{args: []any{v}}
}

// runnable lists the activities with a sample, those with a given one first.
func (k *kit) runnable() []*pluginv1.ActivitySpec {
	var all []*pluginv1.ActivitySpec
	for _, a := range k.manifest.GetActivities() {
		if k.samples[a.GetName()].why == nil {
			all = append(all, a)
		}
	}
	sort.SliceStable(all, func(i, j int) bool {
		return k.samples[all[i].GetName()].given && !k.samples[all[j].GetName()].given
	})
	return all
}

// any is an activity that may be run, or why there is none.
func (k *kit) any() (string, sample, error) {
	if all := k.runnable(); len(all) > 0 {
		return all[0].GetName(), k.samples[all[0].GetName()], nil
	}
	if k.o.NoSamples {
		return "", sample{}, skip("no case of the cases file (--cases) runs an activity, and made-up inputs are turned off")
	}
	return "", sample{}, skip("no activity may be run: none is idempotent with an input that can be made up, and no case of the cases file (--cases) runs one")
}

// holds says how got differs from what is wanted; "" when it holds it.
func holds(path string, want, got any) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s is %s, want an object", path, text(got))
		}
		for _, key := range slices.Sorted(mapKeys(w)) {
			v, there := g[key]
			if !there {
				return fmt.Sprintf("%s has no %q", path, key)
			}
			if diff := holds(path+"."+key, w[key], v); diff != "" {
				return diff
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%s is %s, want a list of %d", path, text(got), len(w))
		}
		for i := range w {
			if diff := holds(fmt.Sprintf("%s[%d]", path, i), w[i], g[i]); diff != "" {
				return diff
			}
		}
		return ""
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Sprintf("%s is %s, want %s", path, text(got), text(want))
	}
	return ""
}

func mapKeys(m map[string]any) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return clip(string(data))
}

// plain is v as encoding/json reads it, so that 1 from YAML equals 1 from JSON.
func plain(v any) (any, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("it cannot be written as JSON: %w", err)
	}
	var out any
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("it cannot be read as JSON: %w", err)
	}
	return out, nil
}
