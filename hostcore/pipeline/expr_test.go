package pipeline

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// evaluated gives the value of one template over params and vars.
func evaluated(t testing.TB, l *lang, text any, params any, vars map[string]any) (any, error) {
	t.Helper()
	d := &decoder{lang: l}
	tpl := d.template(text, "test", block{})
	if len(d.problems) > 0 {
		return nil, d.problems
	}
	return tpl.eval(around(params, vars))
}

// around is what expressions see.
func around(params any, vars map[string]any) map[string]any {
	if vars == nil {
		vars = map[string]any{}
	}
	return map[string]any{"params": params, "vars": vars, "workflow": map[string]any{}, "now": time.Unix(0, 0)}
}

func celLang(t testing.TB) *lang {
	t.Helper()
	l, err := newLang()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestExpressionsGiveValues(t *testing.T) {
	l := celLang(t)
	params := map[string]any{
		"name": "demo", "port": int64(3000), "ratio": 0.5, "none": nil, "on": true,
		"tags": []any{"b", "a", "b"}, "labels": map[string]any{"z": "1", "a": "2"},
		"files": []any{map[string]any{"path": "/b", "n": int64(1)}, "/a", map[string]any{"path": "/b", "n": int64(2)}},
	}
	list := func(v ...any) []any { return append([]any{}, v...) }
	cases := map[string]any{
		`falsy(null)`: true, `falsy(false)`: true, `falsy("")`: true, `falsy(0)`: true, `falsy(0.0)`: true, `falsy({})`: true,
		`falsy([])`: true, `falsy("0")`: false, `falsy([0])`: false, `falsy({"a": null})`: false, `falsy(params.?missing)`: true,
		`falsy(params.?name)`: false, `either(params.?missing, "x")`: "x", `either(params.?name, "x")`: "demo", `either("", params.tags)`: list("b", "a", "b"),
		`unique(params.tags)`: list("b", "a"), `sort(params.tags)`: list("a", "b", "b"), `unique([1, 1.0, 2])`: list(int64(1), int64(2)),
		`sort([3, 1.5, "b", null, true, "a"])`: list(nil, true, 1.5, int64(3), "a", "b"), `unique(null)`: list(), `sort(params.?missing)`: list(),
		`sort(unique(params.files, "path"), "path")`: list("/a", map[string]any{"path": "/b", "n": int64(1)}),
		`flatten([[1], null, 2, [[3]]])`:             list(int64(1), int64(2), list(int64(3))),
		`range(3)`:                                   list(int64(0), int64(1), int64(2)),
		`merge({"a": 1, "b": 1}, {"b": 2})`:          map[string]any{"a": int64(1), "b": int64(2)},
		`merge(params.?missing, {"b": 2})`:           map[string]any{"b": int64(2)},
		`entries(params.labels)`:                     list(map[string]any{"key": "a", "value": "2"}, map[string]any{"key": "z", "value": "1"}),
		`fromEntries(entries(params.labels).map(e, {"key": e.value, "value": e.key}))`: map[string]any{"1": "z", "2": "a"},
		`params.labels.map(k, k + "=" + params.labels[k]).join(",")`:                   "a=2,z=1",
		`json(params.labels)`: `{"a":"2","z":"1"}`, `text("a")`: "a", `text(5)`: "5", `text([1])`: "[1]", `text("<a&b>")`: "<a&b>", `json("<")`: `"<"`,
		`params.port + 1`: int64(3001), `params.ratio < 1`: true, `params.port > 2.5`: true, `params.none == null`: true,
		`params.?a.?b.orValue("x")`: "x", `params.?missing`: nil, `type(params) == map`: true, `type(params.name) == string`: true,
		`duration("90s")`: "1m30s", `timestamp("2026-01-02T03:04:05Z")`: "2026-01-02T03:04:05Z", `b"ab"`: "YWI=",
		`"a,b".split(",")`: list("a", "b"), `"%s:%d".format([params.name, params.port])`: "demo:3000", `math.greatest(1, 3)`: int64(3),
		`cel.bind(x, 2, x * x)`: int64(4), `{"a": {"b": 1}}`: map[string]any{"a": map[string]any{"b": int64(1)}}, `"}}"`: "}}", `'it\'s }}'`: "it's }}",
		`params.tags.exists(t, t == "a") && params.on`: true, `10u`: int64(10), `params.tags.filter(t, t != "b")`: list("a"),
		`now == timestamp("1970-01-01T00:00:00Z")`: true,
	}
	for _, src := range slices.Sorted(maps.Keys(cases)) {
		t.Run(src, func(t *testing.T) {
			got, err := evaluated(t, l, "${{ "+src+" }}", params, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(cases[src], got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestExpressionsThatCannotBeEvaluatedSayWhy(t *testing.T) {
	l := celLang(t)
	for src, want := range map[string]string{
		`params.missing`: "no such key: missing", `unique("abc")`: "unique: takes a list, got a string", `merge({}, [1])`: "merge: takes two objects, argument 2 is a list",
		`entries(1)`: "entries: takes an object, got an integer", `fromEntries([1])`: "fromEntries: element 0 has no text under key", `range(-1)`: "takes a number from 0",
		`range(100001)`: "takes a number from 0 to 100000", `{1: 2}`: "a map key must be a string", `1 / 0`: "division by zero", `0.0 / 0.0`: "cannot be written as JSON",
		`type(1)`: "cannot be used outside an expression", `9223372036854775807 + 1`: "overflow", `[1][5]`: "index out of bounds",
	} {
		if _, err := evaluated(t, l, "${{ "+src+" }}", map[string]any{}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", src, err, want)
		}
	}
}

// TestMapsAreWalkedInOneOrder is the proof that a replay sees what the first run saw. CEL's own maps give several orders
// within a few of these rounds.
func TestMapsAreWalkedInOneOrder(t *testing.T) {
	l := celLang(t)
	big := map[string]any{}
	for i := range 40 {
		big[fmt.Sprintf("key%02d", i)] = map[string]any{"n": int64(i), "a": "x", "b": "y", "c": "z", "d": "w"}
	}
	for _, src := range []string{
		`vars.m.map(k, k)`,
		`vars.m.map(k, vars.m[k].map(j, j))`,
		`{"q": 1, "w": 2, "e": 3, "r": 4, "t": 5, "z": 6, "u": 7, "i": 8}.map(k, k)`,
		`merge(vars.m, {"x": 1}).map(k, k)`,
		`[vars.m, {"b": 1, "a": 2, "c": 3, "d": 4, "e": 5}].map(m, m.map(k, k))`,
		`vars.m.filter(k, k > "key10")`,
		`optional.of(vars.m).value().map(k, k)`,
		`vars.?m.orValue({}).map(k, k)`,
		`cel.bind(x, {"q": 1, "w": 2, "e": 3, "r": 4, "t": 5, "z": 6}, x.map(k, k + string(x[k])))`,
		`entries(vars.m).map(e, e.map(k, k))`,
		`fromEntries(entries(vars.m)).map(k, k)`,
		`(true ? vars.m : {}).map(k, k)`,
		`{1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7}.map(k, k)`,
		`"%s".format([vars.m])`,
		`(size(vars.m) > 0 ? {"q": 1, "w": 2, "e": 3, "r": 4, "t": 5, "z": 6} : {}).map(k, k)`,
		`optional.of({"q": 1, "w": 2, "e": 3, "r": 4, "t": 5, "z": 6}).value().map(k, k)`,
		`[{"q": 1, "w": 2, "e": 3, "r": 4, "t": 5, "z": 6}][0].map(k, k)`,
		`{"x": {"q": 1, "w": 2, "e": 3, "r": 4, "t": 5, "z": 6}}.x.map(k, k)`,
		`[1].map(i, {"q": i, "w": 2, "e": 3, "r": 4, "t": 5, "z": 6})[0].map(k, k)`,
		`either({}, {"q": 1, "w": 2, "e": 3, "r": 4, "t": 5, "z": 6}).map(k, k)`,
		`{?"q": optional.of(1), "w": 2, "e": 3, "r": 4, "t": 5, "z": 6}.map(k, k)`,
		`vars.m.map(k, size({"q": k, "w": 2, "e": 3}.map(j, j)) > 0, {"q": k, "w": 2, "e": 3, "r": 4}.map(j, j))`,
		`{true: 1, "a": 2, 3: 4, 5u: 6}.map(k, string(k))`,
	} {
		t.Run(src, func(t *testing.T) {
			var first string
			tpl := (&decoder{lang: l}).template("${{ "+src+" }}", "test", block{})
			for round := range 250 {
				// A new map every time: Go picks the order by map and by walk.
				v, err := tpl.eval(around(nil, map[string]any{"m": maps.Clone(big)}))
				if err != nil {
					t.Fatal(err)
				}
				got := canonical(v)
				if round == 0 {
					first = got
				} else if got != first {
					t.Fatalf("round %d gives another order:\n%s\n%s", round, first, got)
				}
			}
		})
	}
}

func TestTheWorkOfOneExpressionIsBounded(t *testing.T) {
	l := celLang(t)
	list := make([]any, 3000)
	for i := range list {
		list[i] = fmt.Sprintf("%04d", i)
	}
	for _, src := range []string{
		`vars.l.map(a, vars.l.map(b, a + b))`,
		`vars.l.all(a, vars.l.exists(b, a == b && false) == false)`,
		`vars.l.map(a, sort(vars.l))`,
		`vars.l.map(a, unique(vars.l))`,
		`vars.l.map(a, json(vars.l))`,
		`vars.l.map(a, merge({"l": vars.l}, {}))`,
		`vars.l.map(a, range(100000))`,
		`range(100000).map(a, range(1000).map(b, b))`,
	} {
		began := time.Now()
		_, err := evaluated(t, l, "${{ "+src+" }}", nil, map[string]any{"l": list})
		if err == nil || !strings.Contains(err.Error(), "cost limit exceeded") {
			t.Errorf("%s: %v", src, err)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s was stopped only after %s", src, took)
		}
	}
	if v, err := evaluated(t, l, `${{ sort(unique(vars.l + vars.l)) }}`, nil, map[string]any{"l": list}); err != nil || len(v.([]any)) != 3000 {
		t.Errorf("three thousand files are too many: %v", err)
	}
}

func TestTextAroundExpressionsIsKept(t *testing.T) {
	l := celLang(t)
	for text, want := range map[string]any{
		"plain":                            "plain",
		"":                                 "",
		"$${{ x }}":                        "${{ x }}",
		"a $${{ b ${{ 1 }} c":              "a ${{ b 1 c",
		"${{ 1 }}${{ 2 }}":                 "12",
		" ${{ 1 }}":                        " 1",
		"${{ {'a': {'b': 1}} }}":           map[string]any{"a": map[string]any{"b": int64(1)}},
		`${{ "}}" + '}}' }}!`:              "}}}}!",
		`${{ """ }} " """ }}`:              ` }} " `,
		`${{ r"\" + "x" }}`:                `\x`,
		"$ { ${ }} {{ }}":                  "$ { ${ }} {{ }}",
		"é ${{ 'ü' }} 漢":                   "é ü 漢",
		"${{ [1, 2.0, null, 'a', {}] }}.":  `[1,2,null,"a",{}].`,
		"${{ size('漢字') }} ${{ 1.0e10 }}!": "2 10000000000!",
	} {
		got, err := evaluated(t, l, text, nil, nil)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}
