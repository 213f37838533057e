package plugindoc

import (
	"os"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const described = `{
  "group": "files", "name": "files", "version": "1.2.0", "doc": "Moves files.", "sdk": "go/0.1.0", "language": "go1.26",
  "config": {"type": "object", "required": ["root"], "additionalProperties": false, "properties": {
    "mode": {"type": "string", "enum": ["copy", "move"], "description": "What happens to the source."},
    "limits": {"type": "object", "properties": {"bytes": {"type": "integer", "default": 1024}}},
    "root": {"type": "string", "description": "Folder that is served | watched."}}},
  "activities": [
    {"name": "put", "doc": "Puts files.", "idempotent": true, "start_to_close": "1m0s", "heartbeat": "10s", "max_concurrent": 4, "contract": 2,
     "input": {"type": "object", "required": ["files"], "properties": {
       "files": {"type": ["null", "array"], "items": {"type": "object", "properties": {"path": {"type": "string"}}}},
       "labels": {"type": "object", "additionalProperties": {"type": "string"}}}},
     "output": {"type": "string", "description": "the folder"}},
    {"name": "wipe", "output": true}]}`

func TestAPageShowsEverythingThatTheManifestSays(t *testing.T) {
	page, err := Markdown([]byte(described))
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/files.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", page, want)
	}
}

func TestAPageOfAPluginWithoutSettingsSaysSo(t *testing.T) {
	page, err := Markdown([]byte(`{"name":"a","version":"1.0.0","group":"a","activities":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "It takes none.") {
		t.Errorf("got:\n%s", page)
	}
}

func TestSchemasThatAreTrueOrFalseAllowAnything(t *testing.T) {
	page, err := Markdown([]byte(`{"name":"a","version":"1.0.0","group":"a","config":true,"activities":[{"name":"b",
		"input":{"type":"object","additionalProperties":false,"properties":{"files":{"type":"array","items":true},"extra":true,"labels":{"type":"object","additionalProperties":true}}},"output":false}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"It takes none.", "| `files` | list of anything |", "| `extra` | anything |", "| `labels` | object |", "Result: anything."} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}

func TestTheExampleOfTheSettingsIsTOML(t *testing.T) {
	page, err := Markdown([]byte(`{"name":"a","version":"1.0.0","group":"a","activities":[],"config":{"type":"object","required":["limits","steps"],"properties":{
		"limits":{"type":"object","default":{"rate per s":1.5,"burst":[{"at":"noon"}]}},"steps":{"type":"array","default":["a",{"b":true}]}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "```toml\n")
	example, _, _ = strings.Cut(example, "```")
	var got map[string]any
	if err := toml.Unmarshal([]byte(example), &got); err != nil {
		t.Errorf("%v:\n%s", err, example)
	}
}

func TestWhatIsNoManifestIsRefused(t *testing.T) {
	for _, text := range []string{"", "[]", `{"name": "a", "config": 7}`, `{"name":"a","activities":[{"name":"b","input":"x"}]}`} {
		if _, err := Markdown([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
