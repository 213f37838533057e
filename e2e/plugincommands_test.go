package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/orch-host/orch/hostcore/conformance"
)

// noHost is a rig that never starts its host.
func noHost(t *testing.T) *rig { return newRig(t, nil, "") }

func TestTheConformanceKitTellsGoodFromBadByItsExitCode(t *testing.T) {
	r := noHost(t)
	cases, err := filepath.Abs("../examples/greeter-go/cases.yaml")
	if err != nil {
		t.Fatal(err)
	}
	o := r.expect(0, "plugin", "test", bin("plugins", "greeter"), "--cases", cases, "--json", "--grace", "30s")
	report := lastJSON[conformance.Report](t, o.stdout)
	if report.Plugin != "greeter" || report.Failed+report.Skipped != 0 || report.Passed != len(report.Cases) {
		t.Errorf("got %+v", report)
	}
	liar := filepath.Join(r.dir, "cases.yaml")
	write(t, liar, 0o600, "- {activity: greet, input: {name: Ada}, expect: {message: Goodbye}}\n")
	o = r.expect(1, "plugin", "test", bin("plugins", "greeter"), "--cases", liar, "--grace", "30s")
	if !strings.Contains(o.stdout, `the result.message is "Hello, Ada!", want "Goodbye"`) || !strings.Contains(o.stdout, ", 1 failed, ") {
		t.Errorf("got %v", o)
	}
	if o := r.expect(1, "plugin", "test", "/bin/true"); !strings.Contains(o.stdout, "✗") {
		t.Errorf("got %v", o)
	}
	oneLine(t, r.expect(1, "plugin", "test", "/does/not/exist"), "no such file")
	write(t, liar, 0o600, "- {activity: gret}\n")
	if o := r.expect(1, "plugin", "test", bin("plugins", "greeter"), "--cases", liar); !strings.Contains(o.stderr, `"gret", which greeter does not offer`) {
		t.Errorf("got %v", o)
	}
	write(t, liar, 0o600, "- {input: 1}\n")
	oneLine(t, r.expect(2, "plugin", "test", bin("plugins", "greeter"), "--cases", liar), "case 1 names no activity")
}

func TestOneActivityIsRunWithoutAHost(t *testing.T) {
	r := newRig(t, nil, "[plugins.greeter.config]\ngreeting = \"Moin\"\n")
	greeter := bin("plugins", "greeter")
	if o := r.expect(0, "plugin", "run", greeter, "greet", "-i", `{"name": "Ada"}`); words(o.stdout) != `{ "message": "Moin, Ada!" }` || !strings.Contains(o.stderr, "greeting name=Ada") {
		t.Errorf("got %v", o)
	}
	settings, input := filepath.Join(r.dir, "settings.yaml"), filepath.Join(r.dir, "input.json")
	write(t, settings, 0o600, "greeting: Hei\n")
	write(t, input, 0o600, `{"names": ["Ada", "Bob"]}`)
	o := r.expect(0, "plugin", "run", greeter, "greet_all", "--settings", settings, "-i", input, "--json")
	var ran struct {
		Plugin, Version string
		Result          struct{ Messages []string }
	}
	if err := json.Unmarshal([]byte(o.stdout), &ran); err != nil || ran.Plugin != "greeter" || strings.Join(ran.Result.Messages, " ") != "Hei, Ada! Hei, Bob!" {
		t.Errorf("got %v %v", err, o)
	}
	if o := r.expect(1, "plugin", "run", greeter, "greet", "-i", `{"name": 7}`); !strings.Contains(o.stderr, "InvalidInput (is final)") {
		t.Errorf("got %v", o)
	}
	oneLine(t, r.expect(2, "plugin", "run", greeter, "gret"), "it offers: greet, greet_all")
	oneLine(t, r.expect(2, "plugin", "run", greeter, "greet", "-i", "{"), "neither JSON nor a file")
	write(t, settings, 0o600, "greetin: Hei\n")
	oneLine(t, r.expect(1, "plugin", "run", greeter, "greet", "--settings", settings), "plugins.greeter.config.greetin: unknown key")
}

func TestCtrlCCancelsAnActivityThatIsRunWithoutAHost(t *testing.T) {
	r := noHost(t)
	c := r.command("plugin", "run", bin("plugins", "greeter"), "greet_all", "-i", `{"names": ["Ada", "Bob"], "pause": "1h"}`, "--json")
	out, log := &output{}, &output{}
	c.Stdout, c.Stderr = out, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	r.eventually("it runs", func() error {
		if !strings.Contains(log.String(), "greeted Ada") {
			return errors.New(log.String())
		}
		return nil
	})
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // the code says it
	if c.ProcessState.ExitCode() != 1 || !strings.Contains(out.String(), `"canceled": true`) {
		t.Errorf("exit code %d\n%s\n%s", c.ProcessState.ExitCode(), out, log)
	}
}

func TestANewPluginIsNotWrittenOverWhatIsThere(t *testing.T) {
	r := noHost(t)
	o := r.expect(0, "plugin", "new", "tool", "--lang", "python", "--json")
	if !strings.Contains(o.stdout, `"src/hello.py"`) {
		t.Errorf("got %v", o)
	}
	oneLine(t, r.expect(2, "plugin", "new", "tool"), "is not empty", "name a new folder")
	oneLine(t, r.expect(2, "plugin", "new", "other", "--lang", "perl"), "go and python")
	if _, err := os.Stat(filepath.Join(r.dir, "other")); err == nil {
		t.Error("a refused plugin was written all the same")
	}
}

func TestEveryShippedPluginKeepsTheRulesOfTheHost(t *testing.T) {
	shipped, err := filepath.Glob("../cmd/plugins/*")
	if err != nil || len(shipped) == 0 {
		t.Fatalf("no plugin is shipped: %v", err)
	}
	for _, source := range shipped {
		t.Run(filepath.Base(source), func(t *testing.T) {
			r, err := conformance.Run(t.Context(), conformance.Options{
				Binary: bin("plugins", filepath.Base(source)), NoSamples: true, // their activities act on real things
				TempDir: "/tmp", Grace: patience / 4, Timeout: patience / 2,
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range r.Cases {
				if c.Status == conformance.Fail {
					t.Errorf("%s (%s): %s", c.Name, c.ID, c.Detail)
				}
			}
			if r.Passed < 15 {
				t.Errorf("only %d cases could be judged", r.Passed)
			}
		})
	}
}
