package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

func TestAServiceStartsWhatItsThenNames(t *testing.T) {
	pipelines, err := filepath.Abs("../examples/pipelines")
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, []string{bin("plugins", "greeter")}, `
[services.{service}-first]
pipeline = "hello"
params = { name = "first" }
then = ["{service}-group"]

[services.{service}-group]
then = ["{service}-second", "{service}-third"]

[services.{service}-second]
pipeline = "hello"
params = { name = "second" }

[services.{service}-third]
pipeline = "hello"
params = { name = "third" }
`)
	write(t, r.config, 0o600, strings.Replace(read(t, r.config), "[host]", fmt.Sprintf("[host]\npipelines_dir = %q", pipelines), 1))
	r.start()

	o := r.expect(0, "start", r.service+"-first", "--wait")
	last := -1
	for _, name := range []string{"first", "second", "third"} {
		at := strings.Index(o.stdout, "Hello, "+name+"!")
		if at <= last {
			t.Errorf("%s is not where it belongs: %v", name, o)
		}
		last = at
	}

	o = r.expect(0, "start", r.service+"-first")
	if !strings.Contains(o.stdout+o.stderr, r.service+"-group") || !strings.Contains(o.stdout+o.stderr, "--wait") {
		t.Errorf("a start that leaves out what follows does not say so: %v", o)
	}
}
