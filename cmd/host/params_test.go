package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestParametersComeFromTheFileAndTheFlagsOverIt(t *testing.T) {
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "params.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	p := params{file: file(`{"a": 1, "b": 2}`), pairs: []string{"b=[3]", "c=x=y"}}
	all, err := p.read()
	if list, ok := all["b"].([]any); err != nil || !ok || len(list) != 1 || all["a"] != 1.0 || all["c"] != "x=y" {
		t.Errorf("%v, %v", all, err)
	}
	for _, text := range []string{"null", "[]", `"x"`, ""} {
		p := params{file: file(text), pairs: []string{"a=b"}}
		var usage *usageError
		if all, err := p.read(); !errors.As(err, &usage) {
			t.Errorf("--params with %q: %v, %v", text, all, err)
		}
	}
}
