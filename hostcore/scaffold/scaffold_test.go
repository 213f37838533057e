package scaffold

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/orch-host/orch/hostcore/conformance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// made writes a plugin into a new folder of the given name.
func made(t *testing.T, name string, o Options) string {
	t.Helper()
	o.Dir = filepath.Join(t.TempDir(), name)
	files, err := Write(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(o.Dir, f))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte("[[")) || strings.Contains(f, "tmpl") {
			t.Errorf("%s still is a template", f)
		}
	}
	return o.Dir
}

func run(t *testing.T, dir string, command ...string) {
	t.Helper()
	c := exec.Command(command[0], command[1:]...)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
	}
}

// conforms tries the built plugin with the cases that were made for it.
func conforms(t *testing.T, dir, binary string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "cases.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	cases, err := conformance.ParseCases(text)
	if err != nil {
		t.Fatal(err)
	}
	r, err := conformance.Run(t.Context(), conformance.Options{Binary: filepath.Join(dir, binary), Cases: cases, TempDir: "/tmp"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range r.Cases {
		if c.Status != conformance.Pass {
			t.Errorf("%s %s: %s", c.Status, c.ID, c.Detail)
		}
	}
}

func TestANewGoPluginBuildsPassesItsTestsAndConforms(t *testing.T) {
	dir := made(t, "my-tool", Options{Lang: "go", SDK: "../.."})
	run(t, dir, "make", "test", "build")
	run(t, dir, "go", "vet", "./...")
	out, err := exec.Command("gofmt", "-l", dir).Output()
	if err == nil && len(out) > 0 {
		t.Errorf("not gofmt-ed:\n%s", out)
	}
	conforms(t, dir, "bin/my-tool")
}

func TestANewPythonPluginPassesItsTestsAndConforms(t *testing.T) {
	interpreter := ""
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		if path, err := exec.LookPath(name); err == nil && exec.Command(path, "-c", "import grpc, google.protobuf").Run() == nil {
			interpreter = path
			break
		}
	}
	if interpreter == "" {
		t.Skip("python3-grpcio not available: apt-get install python3-grpcio python3-protobuf")
	}
	dir := made(t, "my-snake", Options{Lang: "python"})
	run(t, dir, "make", "test", "build", "PYTHON="+interpreter)
	conforms(t, dir, "bin/my-snake")
}

func TestThePythonSDKIsTheOneOfTheExample(t *testing.T) {
	for _, name := range []string{"orch_plugin.py", "plugin_pb2.py"} {
		ours, err := templates.ReadFile("templates/python/src/" + name)
		if err != nil {
			t.Fatal(err)
		}
		example, err := os.ReadFile("../../examples/greeter-python/src/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(ours, example) {
			t.Errorf("%s differs from the example's: copy examples/greeter-python/src/%s here", name, name)
		}
	}
}

func TestNamesAndModulesAreTakenFromTheOptions(t *testing.T) {
	dir := made(t, "folder", Options{Lang: "go", Name: "other-name", Module: "corp.example/plugins/other", SDK: "v1.2.3"})
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "module corp.example/plugins/other\n\ngo 1.26.0\n\nrequire github.com/orch-host/orch v1.2.3\n"; string(mod) != want {
		t.Errorf("go.mod is\n%s\nwant\n%s", mod, want)
	}
	main, err := os.ReadFile(filepath.Join(dir, "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`Name: "other-name"`, `sdk.Activity("other_name_hello"`} {
		if !strings.Contains(string(main), want) {
			t.Errorf("main.go has no %s", want)
		}
	}
}

func TestACheckoutOfTheSDKMayHaveASpaceInItsPath(t *testing.T) {
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	checkout := filepath.Join(t.TempDir(), "my checkout")
	if err := os.Symlink(repo, checkout); err != nil {
		t.Fatal(err)
	}
	run(t, made(t, "my-tool", Options{Lang: "go", SDK: checkout}), "go", "mod", "edit", "-json")
}

func TestWhatMakesNoSenseIsRefusedAndNothingIsWritten(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "precious"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		o    Options
		want string
	}{
		"a folder with something in it": {Options{Dir: full, Name: "a", Lang: "go"}, "it holds precious"},
		"a language we do not have":     {Options{Dir: "x", Lang: "cobol"}, "go and python"},
		"a name that is none":           {Options{Dir: "My Plugin", Lang: "go"}, "give one with --name"},
		"a name that orch.toml refuses": {Options{Dir: "my--plugin", Lang: "go"}, "give one with --name"},
		"a name that ends with a dash":  {Options{Dir: "x", Name: "my-", Lang: "go"}, "give one with --name"},
		"a setting of [plugins]":        {Options{Dir: "drain", Lang: "go"}, "a setting of [plugins] itself"},
		"another one, given as a name":  {Options{Dir: "x", Name: "lock", Lang: "python"}, "another name with --name"},
		"a module that go.mod refuses":  {Options{Dir: "x", Lang: "go", Module: "my module"}, "--module"},
		"a version with more behind it": {Options{Dir: "x", Lang: "go", SDK: "v1.2.3 // x"}, "neither a version"},
		"an SDK that is not there":      {Options{Dir: "x", Lang: "go", SDK: "/nowhere"}, "neither a version"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			_, err := Write(tc.o)
			var usage *UsageError
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if left, _ := os.ReadDir("."); len(left) > 0 {
				t.Errorf("something was written: %v", left)
			}
		})
	}
}
