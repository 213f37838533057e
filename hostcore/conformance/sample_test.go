package conformance

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestSamplesFitTheirSchemas(t *testing.T) {
	for name, tc := range map[string]struct{ schema, want string }{
		"no schema":            {``, `{}`},
		"anything":             {`true`, `{}`},
		"required fields only": {`{"type":"object","required":["a"],"properties":{"a":{"type":"string"},"b":{"type":"integer"}}}`, `{"a":"sample"}`},
		"an example":           {`{"type":"string","examples":["x","y"]}`, `"x"`},
		"a default":            {`{"type":"integer","default":7}`, `7`},
		"an enumeration":       {`{"enum":["red","green"]}`, `"red"`},
		"a constant":           {`{"const":3}`, `3`},
		"a long string":        {`{"type":"string","minLength":8}`, `"samplexx"`},
		"a bounded number":     {`{"type":"number","minimum":2.5}`, `2.5`},
		"a boolean":            {`{"type":"boolean"}`, `false`},
		"a nullable list":      {`{"type":["null","array"],"items":{"type":"integer"}}`, `[1]`},
		"a long list":          {`{"type":"array","minItems":2,"items":{"type":"boolean"}}`, `[false,false]`},
		"a reference":          {`{"$ref":"#/$defs/n","$defs":{"n":{"type":"object","required":["k"],"properties":{"k":{"type":"null"}}}}}`, `{"k":null}`},
		"a choice":             {`{"anyOf":[{"type":"integer"},{"type":"string"}]}`, `1`},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := sampleOf([]byte(tc.schema))
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := json.Marshal(v); string(got) != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestASchemaThatNoSampleFitsSaysSo(t *testing.T) {
	for name, schema := range map[string]string{
		"a pattern":     `{"type":"string","pattern":"^[0-9]{3}$"}`,
		"endless":       `{"$ref":"#/$defs/n","$defs":{"n":{"type":"object","required":["n"],"properties":{"n":{"$ref":"#/$defs/n"}}}}}`,
		"a lost ref":    `{"$ref":"#/$defs/gone"}`,
		"not JSON":      `{`,
		"not a schema":  `{"type":"thing"}`,
		"contradictory": `{"type":"object","required":["a"],"additionalProperties":false}`,
	} {
		t.Run(name, func(t *testing.T) {
			if v, err := sampleOf([]byte(schema)); err == nil {
				t.Errorf("made up %v", v)
			}
		})
	}
}

func TestASpoiledInputIsReallyWrongAndNamesItsField(t *testing.T) {
	schema := []byte(`{"type":"object","required":["b"],"properties":{"a":{"type":"string"},"b":{"type":"object"},"c":{}}}`)
	good := map[string]any{"b": map[string]any{}}
	bad, field := wrong(schema, good)
	if field != "b" || checkAgainst(schema, bad) == nil || checkAgainst(schema, good) != nil {
		t.Errorf("got %v, field %q", bad, field)
	}
	less, field := without(schema, good)
	if _, there := less["b"]; field != "b" || there {
		t.Errorf("got %v, field %q", less, field)
	}
	if _, field := wrong([]byte(`{"type":"object","properties":{"c":{}}}`), map[string]any{}); field != "" {
		t.Errorf("field %q has no type, so nothing is wrong for it", field)
	}
}

func TestCasesFilesAreReadStrictly(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"a misspelt key":       {"- activity: a\n  inptu: 1", "inptu"},
		"no activity":          {"- input: 1", "case 1 names no activity"},
		"two inputs":           {"- {activity: a, input: 1, args: [1]}", "both input and args"},
		"two ends":             {"- {activity: a, cancel: true, expect: 1}", "is cancelled"},
		"two ways to fail":     {"- {activity: a, cancel: true, fails: X}", "is cancelled"},
		"two outcomes":         {"- {activity: a, expect: 1, fails: X}", "both expect and fails"},
		"a mapping, no list":   {"activity: a", "want a list"},
		"not YAML at all: tab": {"\t- a", "want a list"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ParseCases([]byte(tc.text)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	if cases, err := ParseCases(nil); err != nil || len(cases) != 0 {
		t.Errorf("an empty file: %v %v", cases, err)
	}
}

func TestAnExpectationHoldsWhenNothingItNamesDiffers(t *testing.T) {
	for _, tc := range []struct{ want, got, diff string }{
		{`{"a":1}`, `{"a":1,"b":2}`, ""},
		{`{"a":{"b":[1,{"c":2}]}}`, `{"a":{"b":[1,{"c":2,"d":3}]}}`, ""},
		{`{"a":1}`, `{"a":2}`, "r.a is 2, want 1"},
		{`{"a":1}`, `{}`, `r has no "a"`},
		{`[1]`, `[1,2]`, "r is [1,2], want a list of 1"},
		{`{"a":1}`, `7`, "r is 7, want an object"},
		{`[{"a":null}]`, `[{"a":0}]`, "r[0].a is 0, want null"},
	} {
		var want, got any
		if json.Unmarshal([]byte(tc.want), &want) != nil || json.Unmarshal([]byte(tc.got), &got) != nil {
			t.Fatal("the table is not JSON")
		}
		if diff := holds("r", want, got); diff != tc.diff {
			t.Errorf("%s in %s: got %q, want %q", tc.want, tc.got, diff, tc.diff)
		}
	}
}
