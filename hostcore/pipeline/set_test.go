package pipeline

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestAFolderIsReadAsAWhole(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "b.yaml", "steps: [{activity: two, catch: {activity: one}}]\non_failure: {activity: three}")
	write(t, dir, "a.yml", "steps: [{activity: one, compensate: {activity: undo}}, {activity: one}]")
	for _, passedOver := range []string{".hidden.yaml", "c.yaml.tmp", "c.yaml~", "README.md", "c.json"} {
		write(t, dir, passedOver, "not: valid")
	}
	if err := os.Mkdir(filepath.Join(dir, "d.yaml"), 0o755); err != nil {
		t.Fatal(err)
	}
	set, err := Load(dir, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b"}, set.Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"one", "three", "two"}, set.Activities("b")); diff != "" {
		t.Errorf("activities (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"one", "undo"}, set.Activities("a")); diff != "" {
		t.Errorf("activities (-want +got):\n%s", diff)
	}
	if got := set.Activities("c"); got != nil {
		t.Errorf("a pipeline that does not exist calls %v", got)
	}
	p, ok := set.Get("a")
	if !ok || p.Type() != "pipeline/a" || p.File() != filepath.Join(dir, "a.yml") {
		t.Errorf("got %+v", p)
	}
}

func TestAFolderThatIsMissingHoldsNothing(t *testing.T) {
	set, err := Load(filepath.Join(t.TempDir(), "nowhere"), LoadOptions{})
	if err != nil || len(set.Names()) != 0 {
		t.Errorf("%v, %v", set.Names(), err)
	}
}

func TestABadFileDoesNotTakeTheOthersAway(t *testing.T) {
	set, err := Load("p", LoadOptions{FS: fstest.MapFS{
		"p/good.yaml":     {Data: []byte("steps: [{activity: a}]")},
		"p/bad.yaml":      {Data: []byte("steps: [{activity: a, timeout: x}]\nfoo: 1")},
		"p/Bad Name.yaml": {Data: []byte("steps: [{activity: a}]")},
		"p/good.yml":      {Data: []byte("steps: [{activity: b}]")},
	}})
	want := strings.Join([]string{
		`p/Bad Name.yaml: the name of the file is the name of the pipeline; begin with a lower-case letter and use a-z, 0-9, _ and -, at most 63: my-pipeline.yaml`,
		`p/bad.yaml:1:32: steps[0].timeout: "x" is not a duration; write a number and a unit: 500ms, 30s, 5m or 1h30m`,
		`p/bad.yaml:2:1: foo: unknown key "foo"; known: args, defaults, description, name, on_failure, params, result, steps, vars, version`,
		`p/good.yml: pipeline "good" is defined by p/good.yaml already; remove or rename one of the files`,
	}, "\n")
	if err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"good"}, set.Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if problems, ok := set.Broken("bad"); !ok || len(problems) != 2 {
		t.Errorf("problems of bad: %v", problems)
	}
}

func TestAReloadKeepsTheLastValidDefinition(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.yaml", "steps: [{activity: one}]")
	write(t, dir, "b.yaml", "steps: [{activity: one}]")
	set, err := Load(dir, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	reg := NewRegistry(set)
	write(t, dir, "a.yaml", "steps: [{actvity")
	write(t, dir, "c.yaml", "steps: [{activity: three}]")
	if err := os.Remove(filepath.Join(dir, "b.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := reg.Reload(dir, LoadOptions{}); err == nil || !strings.Contains(err.Error(), "a.yaml:") {
		t.Errorf("reload said %v", err)
	}
	if diff := cmp.Diff([]string{"a", "c"}, reg.Current().Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"one"}, reg.Current().Activities("a")); diff != "" {
		t.Errorf("a lost its definition (-want +got):\n%s", diff)
	}
	if _, broken := reg.Current().Broken("a"); !broken {
		t.Error("nobody can tell that the file of a is broken")
	}
	write(t, dir, "a.yaml", "steps: [{activity: two}]")
	if err := reg.Reload(dir, LoadOptions{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"two"}, reg.Current().Activities("a")); diff != "" {
		t.Errorf("a is not the new one (-want +got):\n%s", diff)
	}
	write(t, dir, "file", "")
	if err := reg.Reload(filepath.Join(dir, "file"), LoadOptions{}); err == nil {
		t.Error("a folder that cannot be read is no error")
	}
	if len(reg.Current().Names()) != 2 {
		t.Error("a folder that cannot be read took the pipelines away")
	}
}

func TestARegistryServesManyGoroutines(t *testing.T) {
	one, two := load(t, map[string]string{"a.yaml": everything}), load(t, map[string]string{"a.yaml": edited})
	reg := NewRegistry(one)
	old := reg.pin("pipeline/a")
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for n := range 50 {
				if i == 0 {
					reg.Swap([]*Set{one, two}[n%2])
				}
				p, err := reg.plan(old)
				if err != nil || p.SHA256() != old.SHA256 {
					t.Errorf("got %v, %v", p, err)
					return
				}
				p.def.walkExprs(func(e *expr) {
					if _, err := e.compile(); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
	group.Wait()
}

func TestRestoredDefinitionsAreForgottenInTheEnd(t *testing.T) {
	reg := NewRegistry(load(t, nil))
	for i := range maxRestored + 10 {
		raw := json.RawMessage(`{"name":"a","steps":[{"log":` + strings.Repeat("1", 1+i%15) + `}]}`)
		if _, err := reg.plan(pinned{Name: "a", SHA256: strings.Repeat("x", i+1), Definition: raw}); err != nil {
			t.Fatal(err)
		}
	}
	if len(reg.restored) != maxRestored || len(reg.order) != maxRestored {
		t.Errorf("%d are kept, %d are in order", len(reg.restored), len(reg.order))
	}
}

func TestTheHashIgnoresLayoutAndComments(t *testing.T) {
	a := load(t, map[string]string{"a.yaml": "# comment\nsteps:\n  - activity: x\n    timeout: 300s\n"})
	b := load(t, map[string]string{"a.yaml": `{"steps": [{"timeout": "5m", "activity": "x"}]}`})
	c := load(t, map[string]string{"a.yaml": `steps: [{activity: x, timeout: 6m}]`})
	hash := func(s *Set) string { p, _ := s.Get("a"); return p.SHA256() }
	if hash(a) != hash(b) || hash(a) == hash(c) {
		t.Errorf("%s %s %s", hash(a), hash(b), hash(c))
	}
}

func TestAnOlderHostDoesNotFailARunItCannotRead(t *testing.T) {
	reg := NewRegistry(load(t, nil))
	if _, err := reg.plan(pinned{Name: "a", SHA256: "x", Definition: json.RawMessage(`{"steps":[{"teleport":1}]}`)}); err == nil {
		t.Error("a definition with an unknown step was accepted")
	}
}
