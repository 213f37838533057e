package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// built is where TestMain put the test plugins.
var built string

// bin is a built binary of the repository.
func bin(parts ...string) string {
	path, err := filepath.Abs(filepath.Join(append([]string{"..", "bin"}, parts...)...))
	if err != nil {
		panic(err)
	}
	return path
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	for _, path := range []string{bin("host"), bin("devserver"), bin("plugins", "databases"), bin("plugins", "deploy"), bin("plugins", "chat"), bin("plugins", "observability"), bin("plugins", "greeter")} {
		if _, err := os.Stat(path); err != nil {
			fmt.Fprintf(os.Stderr, "the end-to-end tests run the built binaries, and %s is missing: make build\n", path)
			return 1
		}
	}
	var err error
	if built, err = os.MkdirTemp("", "orch-e2e-plugins"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(built)
	for _, kind := range []string{"chatty", "taken", "raw", "ledger"} {
		c := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.kind="+kind, "-o", filepath.Join(built, kind), "./testplugin")
		if out, err := c.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the test plugin %s: %v\n%s", kind, err, out)
			return 1
		}
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}
