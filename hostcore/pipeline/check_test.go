package pipeline

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// catalog offers two activities.
type catalog struct{}

func (catalog) Activity(name string) ([]byte, bool) {
	switch name {
	case "greet":
		return []byte(`{"type":"object","required":["name"],"additionalProperties":false,
			"properties":{"name":{"type":"string"},"times":{"type":"integer"},"tags":{"type":["array","null"]}}}`), true
	case "anything":
		return nil, true
	}
	return nil, false
}

func (catalog) ActivityNames() []string { return []string{"greet", "anything"} }

func TestProblemsNameThePlaceTheReasonAndTheMend(t *testing.T) {
	cases := []struct {
		name, text string
		want       []string
	}{
		{"an unknown key at the top", "stepz: []\nsteps: [{activity: greet}]", []string{
			`demo.yaml:1:1: stepz: unknown key "stepz"; did you mean "steps"?`}},
		{"no steps", "description: nothing", []string{
			`demo.yaml:1:1: steps are missing; add steps: with at least one step`}},
		{"an empty file", "", []string{`demo.yaml: the file is empty; write at least steps: with one step`}},
		{"a name that is not the file's", "name: other\nsteps: [{activity: greet}]", []string{
			`demo.yaml:1:7: name: the name must be that of the file, "demo"; write name: demo, leave it out, or rename the file`}},
		{"a version of the future", "version: 2\nsteps: [{activity: greet}]", []string{
			`demo.yaml:1:10: version: unknown format version 2; write version: 1 or leave it out`}},
		{"a misspelt kind of step", "steps:\n  - actvity: greet\n", []string{
			`demo.yaml:2:5: steps[0]: the step does nothing: it needs one of [activity set sleep return fail log foreach parallel steps]; "actvity": did you mean "activity"?`}},
		{"a step that does two things", "steps:\n  - activity: greet\n    sleep: 1s\n", []string{
			`demo.yaml:2:5: steps[0]: a step does one thing, this one has activity and sleep; make them steps of their own`}},
		{"a key of another kind of step", "steps:\n  - sleep: 1s\n    timeout: 5s\n", []string{
			`demo.yaml:3:5: steps[0].timeout: "timeout" does not belong to a sleep step; a sleep step takes: sleep, id, description, when`}},
		{"a misspelt option", "steps:\n  - activity: anything\n    timout: 5s\n", []string{
			`demo.yaml:3:5: steps[0].timout: unknown key "timout"; did you mean "timeout"?`}},
		{"an unknown activity", "steps:\n  - activity: great\n", []string{
			`demo.yaml:2:15: steps[0].activity: no plugin offers the activity "great"; did you mean "greet"?`}},
		{"an input the activity does not have, and one it needs", "steps:\n  - activity: greet\n    input:\n      nme: x\n", []string{
			`demo.yaml:4:7: steps[0].input.nme: activity greet has no input "nme"; did you mean "name"?`,
			`demo.yaml:4:7: steps[0].input: activity greet needs the input "name"; add name: to the input`}},
		{"an input of the wrong type", "steps:\n  - activity: greet\n    input:\n      name: 5\n      times: ${{ 'a' + 'b' }}\n", []string{
			`demo.yaml:4:13: steps[0].input.name: the activity takes [string] here, this is integer; quote it, or write ${{ text(...) }}`,
			`demo.yaml:5:14: steps[0].input.times: the activity takes [integer] here, this is string`}},
		{"an input whose type the params settle", "params: {properties: {port: {type: integer}}}\nsteps:\n  - activity: greet\n    input: {name: \"${{ params.port }}\"}\n", []string{
			`demo.yaml:4:20: steps[0].input.name: the activity takes [string] here, this is integer; quote it, or write ${{ text(...) }}`}},
		{"a duration without a unit", "steps:\n  - {activity: anything, timeout: soon}\n", []string{
			`demo.yaml:2:35: steps[0].timeout: "soon" is not a duration; write a number and a unit: 500ms, 30s, 5m or 1h30m`}},
		{"a heartbeat longer than the timeout", "steps:\n  - {activity: anything, timeout: 10s, heartbeat: 20s}\n", []string{
			`demo.yaml:2:51: steps[0].heartbeat: heartbeat 20s is longer than timeout 10s; shorten heartbeat or lengthen timeout`}},
		{"no attempts at all", "steps:\n  - {activity: anything, retry: {attempts: 0}}\n", []string{
			`demo.yaml:2:44: steps[0].retry.attempts: must be a whole number from 1 to 10000, this is 0`}},
		{"waits the wrong way round", "defaults: {retry: {initial: 1m}}\nsteps: [{activity: anything}]", []string{
			`demo.yaml:1:19: defaults.retry: the longest wait, max 10s, is shorter than the first, initial 1m0s; raise max or lower initial`}},
		{"a dot in an activity's name", "steps: [{activity: loki.start}]", []string{
			`demo.yaml:1:20: steps[0].activity: "loki.start" is not a usable activity name; use letters, digits, _ and -: a replay compares only what follows the last dot`,
			`demo.yaml:1:20: steps[0].activity: no plugin offers the activity "loki.start"; known: anything, greet`}},
		{"an expression that does not parse, at the character", "steps:\n  - return: ${{ 1 + }}\n", []string{
			`demo.yaml:2:20: steps[0].return: ${{ 1 + }}: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}`}},
		{"an expression that is not closed", "steps:\n  - return: \"a ${{ params.x\"\n", []string{
			`demo.yaml:2:14: steps[0].return: the expression that begins at character 3 is not closed; close it with }}; write $${{ for a literal ${{`}},
		{"a name nobody knows", "steps:\n  - return: x ${{ parms.x }}\n", []string{
			`demo.yaml:2:19: steps[0].return: ${{ parms.x }}: unknown name or function "parms"; did you mean "params"?`}},
		{"a function nobody knows", "steps:\n  - when: fasly(params)\n    activity: anything\n", []string{
			`demo.yaml:2:16: steps[0].when: ${{ fasly(params) }}: unknown name or function "fasly"; did you mean "falsy"?`}},
		{"the clock", "steps: [{return: \"${{ now() }}\"}]", []string{
			`demo.yaml:1:26: steps[0].return: ${{ now() }}: unknown name or function "now"; now is a value and takes no ( )`}},
		{"an item outside foreach", "steps: [{return: \"${{ item }}\"}]", []string{
			`demo.yaml:1:23: steps[0].return: ${{ item }}: unknown name or function "item"; item is known inside foreach only`}},
		{"an error outside catch", "steps: [{return: \"${{ error.message }}\"}]", []string{
			`demo.yaml:1:23: steps[0].return: ${{ error.message }}: unknown name or function "error"; error is known inside catch and on_failure only`}},
		{"a variable nobody sets", "vars: {labels: {}}\nsteps:\n  - return: ${{ vars.lables }}\n", []string{
			`demo.yaml:3:13: steps[0].return: ${{ vars.lables }}: no step saves or sets the variable "lables"; did you mean "labels"?`}},
		{"a param the schema does not know", "params: {additionalProperties: false, properties: {name: {type: string}}}\nsteps:\n  - return: ${{ params.?nane }}\n", []string{
			`demo.yaml:3:13: steps[0].return: ${{ params.?nane }}: params has no "nane"; did you mean "name"?`}},
		{"types that do not go together", "params: {properties: {port: {type: integer}}}\nsteps:\n  - when: params.port == \"80\"\n    activity: anything\n", []string{
			`demo.yaml:3:23: steps[0].when: ${{ params.port == "80" }}: found no matching overload for '_==_' applied to '(int, string)'`}},
		{"a when that is no boolean", "steps:\n  - when: size(params)\n    activity: anything\n", []string{
			`demo.yaml:2:11: steps[0].when: ${{ size(params) }} must be a boolean, it is of type int`}},
		{"a foreach over text", "steps:\n  - foreach: \"'abc'\"\n    steps: [{activity: anything}]\n", []string{
			`demo.yaml:2:15: steps[0].foreach: ${{ 'abc' }} must be a list, it is of type string`}},
		{"save without collect", "steps:\n  - foreach: [1]\n    save: x\n    steps: [{activity: anything}]\n", []string{
			`demo.yaml:2:5: steps[0]: save and collect of a foreach belong together; collect: ${{ vars.x }} gives the value of one item, save: names the variable that takes the list`}},
		{"two steps of one id", "steps:\n  - {id: a, activity: anything}\n  - {id: a, activity: anything}\n", []string{
			`demo.yaml:3:10: steps[1].id: the id "a" is that of steps[0]; give each step an id of its own`}},
		{"a step behind a return", "steps:\n  - return: 1\n  - activity: anything\n", []string{
			`demo.yaml:3:5: steps[1]: this step never runs: return before it always ends the pipeline; give the step before it a when:, or remove this one`}},
		{"branches that write one variable", "steps:\n  - parallel:\n      - {activity: anything, save: x}\n      - {activity: anything, save: x}\n", []string{
			`demo.yaml:4:9: steps[0].parallel[1]: this branch and steps[0].parallel[0] both write the variable "x"; save into different variables`}},
		{"compensation of compensation", "steps:\n  - activity: anything\n    compensate: {activity: anything, compensate: {activity: anything}}\n", []string{
			`demo.yaml:3:38: steps[0].compensate.compensate: what is undone cannot be undone again; remove it`}},
		{"a return while taking back", "steps:\n  - activity: anything\n    compensate: [{return: 1}]\n", []string{
			`demo.yaml:3:19: steps[0].compensate[0].return: what is undone cannot end the pipeline with a result; remove it`}},
		{"input and args", "steps:\n  - {activity: anything, input: 1, args: [2]}\n", []string{
			`demo.yaml:2:36: steps[0].args: a step takes input or args, not both; use input for one argument, args for several`}},
		{"a time zone", "steps:\n  - return: ${{ now.getHours('Europe/Vienna') }}\n", []string{
			`demo.yaml:2:13: steps[0].return: getHours with a time zone depends on the machine's time zone data; leave the time zone out: UTC is the same everywhere`}},
		{"a schema that reads files", "params: {$ref: \"file:///etc/passwd\"}\nsteps: [{activity: anything}]", []string{"$ref must point into the schema itself"}},
		{"a merge key", "x: &x {a: 1}\nsteps:\n  - <<: *x\n    activity: anything\n", []string{
			`demo.yaml:3:5: steps[0]: merge keys (<<) are not supported; set shared options once under defaults:`}},
		{"a key that stands twice", "steps: [{activity: anything}]\nsteps: [{activity: anything}]\n", []string{
			`demo.yaml:2:1: steps: the key "steps" stands here twice; remove one of them`}},
		{"an unquoted expression in braces", "steps:\n  - {activity: anything, input: ${{ params }}}\n", []string{
			`inside { } or [ ] an expression must be quoted`}},
		{"two documents", "steps: [{activity: anything}]\n---\nsteps: []\n", []string{
			`demo.yaml: the file holds more than one document; put each pipeline into a file of its own`}},
		{"everything at once", "name: x\nsteps:\n  - activity: great\n    timeout: -1s\n  - sleep: x\n", []string{
			`demo.yaml:1:7: name: the name must be that of the file, "demo"; write name: demo, leave it out, or rename the file`,
			`demo.yaml:3:15: steps[0].activity: no plugin offers the activity "great"; did you mean "greet"?`,
			`demo.yaml:4:14: steps[0].timeout: -1s is too short; write 1ms or more`,
			`demo.yaml:5:12: steps[1].sleep: "x" is not a duration; write a number and a unit: 500ms, 30s, 5m or 1h30m`,
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("demo.yaml", []byte(c.text), LoadOptions{Catalog: catalog{}})
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want problems", err)
			}
			got := strings.Split(problems.Error(), "\n")
			if len(c.want) == 1 && len(got) == 1 && strings.Contains(got[0], c.want[0]) {
				return
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestInputsThatFitTheActivityAreAccepted(t *testing.T) {
	for _, input := range []string{
		`{name: x}`, `{name: "${{ params.name }}", times: 3}`, `{name: "a ${{ 1 }}", times: "${{ 1 + 2 }}", tags: null}`,
		`"${{ params }}"`, `plain text`, `{name: "${{ text(5) }}", tags: [1, "${{ 2 }}"]}`,
	} {
		text := "steps: [{activity: greet, input: " + input + "}]"
		if _, err := Parse("demo.yaml", []byte(text), LoadOptions{Catalog: catalog{}}); err != nil {
			t.Errorf("%s: %v", input, err)
		}
	}
}

func TestANameOfABuiltInWorkflowIsRefused(t *testing.T) {
	for file, reserved := range map[string]string{
		"run_logs.yaml": "run_logs", "metricspipeline.yaml": "MetricsPipeline", "a.yaml": "pipeline/a",
	} {
		_, err := Parse(file, []byte("steps: [{activity: a}]"), LoadOptions{Reserved: []string{"Other", reserved}})
		if err == nil || !strings.Contains(err.Error(), "is the name of a built-in workflow; rename the file") {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestABoundIsReportedAndNotExceeded(t *testing.T) {
	many := func(n int, line string) string { return strings.Repeat(line, n) }
	deep := "steps: [{return: " + strings.Repeat("[", 80) + strings.Repeat("]", 80) + "}]"
	laughs := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for i := 'b'; i < 'j'; i++ {
		laughs += fmt.Sprintf("%c: &%c [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", i-1), 9), ","))
	}
	for name, c := range map[string]struct{ text, want string }{
		"size":        {"steps:\n" + many(13000, "  - activity: aaaaaaaa\n"), "the file is larger than 256 KiB"},
		"steps":       {"steps:\n" + many(501, "  - activity: a\n"), "more than 500 steps"},
		"expressions": {"steps:\n  - return:\n" + many(2001, "      - ${{ 1 }}\n"), "more than 2000 expressions"},
		"nesting":     {deep, "levels of nesting"},
		"aliases":     {laughs + "steps: []", "more than 50000 values"},
		"definition":  {"steps:\n" + many(490, "  - activity: a\n    input: "+strings.Repeat("x", 480)+"\n"), "larger than 256 KiB with its defaults"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("demo.yaml", []byte(c.text), LoadOptions{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %.300v, want %s", err, c.want)
			}
		})
	}
}
