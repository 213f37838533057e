package pipeline

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzParse: no file makes the reader panic, and what it accepts survives being written down and read back.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(examples, "*.yaml"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no examples: %v", err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	for _, text := range []string{
		everything, edited, "", "steps", "- a", "steps: [{sleep: 1e300}]", "steps: [{return: .nan}]", "a: &a [*a]", "steps: [{activity: a, retry: {backoff: -1}}]",
		"steps: [{foreach: 1, steps: {}, max_parallel: 99999999999999999999}]", "params: {$ref: '#'}\nsteps: [{log: 1}]", "? [a]\n: b", "steps: [{parallel: [{return: 1}], compensate: {log: x}}]",
		"params: {properties: 7, type: integer}\nsteps: [{when: '\"', log: x}]", "steps: [{set: {a: '${{ \"', b: '$${{ ${{ 1 }}'}}]", "args: [a, a]\nvars: []\nsteps: {}",
	} {
		f.Add(text)
	}
	l := celLang(f)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parse(l, "demo.yaml", []byte(text), LoadOptions{Catalog: catalog{}})
		if err != nil {
			if err.Error() == "" {
				t.Error("a problem that says nothing")
			}
			return
		}
		again, err := restore(l, p.Name(), p.Definition())
		if err != nil {
			t.Fatalf("the normalised definition cannot be read back: %v\n%s", err, p.Definition())
		}
		if again.SHA256() != p.SHA256() {
			t.Fatalf("reading back changes the definition:\n%s\n%s", p.Definition(), again.Definition())
		}
		if Graph(p) == "" {
			t.Error("an empty graph")
		}
		if _, err := Plan(p, map[string]any{"name": "x", "n": 1}); err != nil && err.Error() == "" {
			t.Error("a plan fails without a reason")
		}
	})
}

// FuzzExpression: no text makes an expression panic, and it gives the same value every time.
func FuzzExpression(f *testing.F) {
	for _, text := range []string{
		"${{ params.a }}", "${{", "}}", "$${{", "${{ {'a': {'b': 1}}.a.b }} x", `${{ "}}" }}`, `${{ '''}}''' }}`, "${{ params.m.map(k, k) }}", "${{ 1 / params.zero }}",
		"${{ range(10).map(i, [i]) }}", "${{ sort([params, 1, 'a', null]) }}", "${{ 'a'.matches('(a+)+$') }}", "${{ params.?a[?0].orValue(1) }}", "${{ dyn({1: 2}) }}",
		"${{ timestamp(0) - duration('1s') }}", "${{ b'\\xff' }}", "${{ type(type(1)) }}", "${{ -9223372036854775808 / -1 }}", "${{ optional.none() }}", "${{ '%s %d %e'.format([1]) }}",
	} {
		f.Add(text)
	}
	l := celLang(f)
	params := map[string]any{"a": []any{int64(1)}, "zero": int64(0), "m": map[string]any{"x": int64(1), "y": 2.5, "z": nil, "w": "s"}}
	f.Fuzz(func(t *testing.T, text string) {
		first, err := evaluated(t, l, text, params, nil)
		second, again := evaluated(t, l, text, params, nil)
		if (err == nil) != (again == nil) || canonical(first) != canonical(second) {
			t.Errorf("two evaluations differ: %v %v, %v %v", first, err, second, again)
		}
	})
}
