package pipeline

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

const shown = `
params: {properties: {hosts: {type: array, default: [a, b]}, dry: {type: boolean, default: false}}}
vars: {image: "demo:${{ size(params.hosts) }}", later: 1}
steps:
  - {when: params.dry, return: nothing to do}
  - {id: app, activity: create, input: {image: "${{ vars.image }}"}, save: app, compensate: {activity: remove}, catch: {log: "say \"no\""}}
  - parallel:
      - {activity: left, timeout: 20s, retry: {attempts: 1}}
      - {activity: right, queue: other, retry: {attempts: unlimited}}
  - foreach: params.hosts
    max_parallel: 2
    steps: [{activity: push, args: ["${{ item }}", "${{ vars.app }}"]}]
  - {when: falsy(vars.app), fail: no app}
  - set: {later: 2}
  - {sleep: 2s, when: "vars.later > 1"}
result: ${{ vars.app.url }}
on_failure: {activity: tell}
`

func TestAPlanTellsWhatARunWouldDo(t *testing.T) {
	p, _ := load(t, map[string]string{"demo.yaml": shown}).Get("demo")
	got, err := Plan(p, map[string]any{"hosts": []string{"x"}})
	if err != nil {
		t.Fatal(err)
	}
	want := `pipeline/demo (definition ` + p.SHA256()[:12] + `)
params: {"dry":false,"hosts":["x"]}
-  return nothing to do  [skipped: params.dry is false]
1. app: create
    input: {"image":"demo:1"}
    timeout 5m0s, heartbeat 30s, 3 attempts, 1s to 10s apart
    saved as vars.app
    when it fails:
        2. log say "no"
    taken back by:
        3. remove
            timeout 5m0s, heartbeat 30s, 3 attempts, 1s to 10s apart
4. parallel
    5. left
        timeout 20s, heartbeat none, 1 attempt
    6. right
        timeout 5m0s, heartbeat 30s, unlimited attempts, 1s to 10s apart
        queue: "other"
7. foreach params.hosts, 2 at a time
    1 items: ["x"]
    8. push
        argument 1: "${{ item }}"
        argument 2: "${{ vars.app }}"
        timeout 5m0s, heartbeat 30s, 3 attempts, 1s to 10s apart
9. fail: no app  [when falsy(vars.app)]
10. set later
11. sleep 2s  [when vars.later > 1]
result: "${{ vars.app.url }}"
on failure:
    12. tell
        timeout 5m0s, heartbeat 30s, 3 attempts, 1s to 10s apart
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

func TestAPlanEndsWhereTheRunWould(t *testing.T) {
	p, _ := load(t, map[string]string{"demo.yaml": shown}).Get("demo")
	got, err := Plan(p, map[string]any{"dry": true})
	if err != nil || strings.Contains(got, "create") || !strings.Contains(got, "1. return nothing to do\n") {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestAPlanWithParamsThatDoNotFitSaysSo(t *testing.T) {
	p, _ := load(t, map[string]string{"demo.yaml": shown}).Get("demo")
	_, err := Plan(p, map[string]any{"dry": "yes"})
	var problems Problems
	if !errors.As(err, &problems) || problems.Error() != "params.dry: got string, want boolean" {
		t.Errorf("got %v", err)
	}
}

func TestAGraphShowsStepsBranchesAndWhatHappensOnFailure(t *testing.T) {
	p, _ := load(t, map[string]string{"demo.yaml": shown}).Get("demo")
	want := `flowchart TD
  start([demo])
  start -- "params.dry" --> s1(["return nothing to do"])
  start --> s2["app: create"]
  s2 -. catch .-> s3["log say #quot;no#quot;"]
  s2 -. compensate .-> s4["remove"]
  subgraph s5 ["parallel"]
    s6(( ))
    s7(( ))
    s6 --> s8["left"]
    s8 --> s7
    s6 --> s9["right"]
    s9 --> s7
  end
  s2 --> s6
  subgraph s10 ["foreach params.hosts, 2 at a time"]
    s11(( ))
    s12(( ))
    s11 --> s13["push"]
    s13 --> s12
  end
  s7 --> s11
  s12 -- "falsy(vars.app)" --> s14(["fail: no app"])
  s12 --> s15["set later"]
  s15 -- "vars.later #gt; 1" --> s16["sleep 2s"]
  s16 --> done([done])
  failed([on failure])
  failed --> s17["tell"]
`
	if diff := cmp.Diff(want, Graph(p)); diff != "" {
		t.Errorf("graph (-want +got):\n%s", diff)
	}
}

func TestTheSchemaKnowsTheKeysTheReaderKnows(t *testing.T) {
	var schema struct {
		Properties map[string]any
		Defs       map[string]struct{ Properties map[string]any } `json:"$defs"`
	}
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2][]string{
		"top":   {topKeys(), sortedKeys(schema.Properties)},
		"step":  {stepKeys(), sortedKeys(schema.Defs["step"].Properties)},
		"retry": {retryKeys(), sortedKeys(schema.Defs["retry"].Properties)},
	} {
		if diff := cmp.Diff(slices.Sorted(slices.Values(pair[0])), pair[1]); diff != "" {
			t.Errorf("keys of %s (-reader +schema):\n%s", name, diff)
		}
	}
}

func TestTheSchemaAgreesWithTheReader(t *testing.T) {
	c := jsonschema.NewCompiler()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(Schema())))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]bool{
		everything: true, edited: true, shown: true,
		"steps: [{activity: a, timout: 5s}]":                   false,
		"steps: [{activity: a, sleep: 1s}]":                    false,
		"steps: []":                                            false,
		"steps: [{id: x}]":                                     false,
		"steps: [{activity: a, retry: {attempts: 0}}]":         false,
		"steps: [{activity: a, retry: {attempts: unlimited}}]": true,
		"steps: [{activity: loki.start}]":                      false,
		"steps: [{activity: a, heartbeat: none, timeout: 90}]": true,
		"steps: [{foreach: [1], steps: [{log: x}]}]":           true,
		"steps: [{steps: [{log: x}], catch: {log: y}}]":        true,
		"result: 1": false,
	}
	files, err := filepath.Glob(filepath.Join(examples, "*.yaml"))
	if err != nil || len(files) < 4 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		texts[string(data)] = true
	}
	for text, valid := range texts {
		var v any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if err := schema.Validate(v); (err == nil) != valid {
			t.Errorf("the schema says %v to\n%s", err, text)
		}
		if _, err := parseAny(text); (err == nil) != valid {
			t.Errorf("the reader says %v to\n%s", err, text)
		}
	}
}

// parseAny reads a definition under the name it gives itself.
func parseAny(text string) (*Pipeline, error) {
	var head struct{ Name string }
	if err := yaml.Unmarshal([]byte(text), &head); err != nil {
		return nil, err
	}
	if head.Name == "" {
		head.Name = "demo"
	}
	return Parse(head.Name+".yaml", []byte(text), LoadOptions{})
}

func TestTheExamplesCarryTheCurrentSchema(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(examples, "pipeline.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	if string(data) != string(Schema()) {
		t.Error("examples/pipelines/pipeline.schema.json is not hostcore/pipeline/schema.json: copy it")
	}
}

func TestEveryDefinitionInTheDocumentationIsValid(t *testing.T) {
	data, err := os.ReadFile("../../docs/pipelines.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(data), "```yaml\n")[1:]
	if len(blocks) < 5 {
		t.Fatalf("%d definitions", len(blocks))
	}
	for _, b := range blocks {
		text, _, _ := strings.Cut(b, "```")
		if !strings.Contains(text, "steps:") || strings.HasPrefix(text, "- ") {
			text = "steps:\n  " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ") + "\n"
		}
		if _, err := parseAny(text); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
}

func TestHelloGreetsEverybody(t *testing.T) {
	w := &world{register: declared(t, example(t, "hello")), answers: map[string]any{"greet": greeter}}
	if o := w.run(t, "pipeline/hello"); o.Result != "Hello, world!" {
		t.Errorf("%v, %v", o.Result, o.Err)
	}
	if o := w.run(t, "pipeline/hello", map[string]any{"name": "Ada", "also": []string{"Bo", "Cy"}}); o.Result != "Hello, Ada!, Hello, Bo!, Hello, Cy!" {
		t.Errorf("%v, %v", o.Result, o.Err)
	}
}
