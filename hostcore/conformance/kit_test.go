package conformance

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"
)

func TestMain(m *testing.M) {
	if kind := os.Getenv(kindKey); kind != "" {
		behave(kind)
		return
	}
	goleak.VerifyTestMain(m)
}

// wrapper makes an executable that behaves like the given kind of plugin: the
// kit hands no variable of ours on, so a script carries it.
func wrapper(t *testing.T, kind string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), kind)
	script := "#!/bin/sh\n" + kindKey + "=" + kind + "\nexport " + kindKey + "\nexec '" + self + "' \"$@\"\n"
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// cases of the plugins in behave_test.go.
func cases() []Case {
	return []Case{
		{Activity: "say", Input: map[string]any{"word": "hi"}, Expect: map[string]any{"said": "hi"}},
		{Activity: "nap", Input: map[string]any{"seconds": 3600}, Cancel: true},
	}
}

// unhurried are limits that a plugin which keeps the rules never comes near, on
// a busy machine and under the race detector neither.
func unhurried(o Options) Options {
	o.Grace, o.Timeout = 5*time.Minute, 5*time.Minute
	o.TempDir = "/tmp" // a test's own folder is too long for a socket
	return o
}

func try(t *testing.T, o Options) *Report {
	t.Helper()
	r, err := Run(t.Context(), unhurried(o))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func ids(r *Report, s Status) []string {
	var all []string
	for _, c := range r.Cases {
		if c.Status == s {
			all = append(all, c.ID)
		}
	}
	return all
}

func tell(r *Report) string {
	var b strings.Builder
	for _, c := range r.Cases {
		if c.Status != Pass {
			b.WriteString(string(c.Status) + " " + c.ID + ": " + c.Detail + "\n")
		}
	}
	return b.String()
}

func TestAGoodPluginPassesEveryCase(t *testing.T) {
	r := try(t, Options{Binary: wrapper(t, "good"), Cases: cases()})
	if r.Failed != 0 || r.Skipped != 0 || r.Passed < 27 {
		t.Errorf("%d passed, want every case to pass:\n%s", r.Passed, tell(r))
	}
	if r.Plugin != "good" || r.Version != "1.0.0" {
		t.Errorf("the report is about %q %q", r.Plugin, r.Version)
	}
}

func TestWithoutCasesWhatCannotBeJudgedIsSkippedWithTheReason(t *testing.T) {
	r := try(t, Options{Binary: wrapper(t, "good")})
	if r.Failed != 0 {
		t.Fatalf("want no failure:\n%s", tell(r))
	}
	for _, id := range []string{"heartbeat", "drain-refuses", "execute/nap"} {
		i := slices.IndexFunc(r.Cases, func(c Result) bool { return c.ID == id })
		if i < 0 || r.Cases[i].Status != Skip || !strings.Contains(r.Cases[i].Detail, "--cases") {
			t.Errorf("%s: want it skipped with what to give, got:\n%s", id, tell(r))
		}
	}
	if i := slices.IndexFunc(r.Cases, func(c Result) bool { return c.ID == "execute/say" }); i < 0 || r.Cases[i].Status != Pass {
		t.Errorf("say is idempotent and was not run with a made-up input:\n%s", tell(r))
	}
}

func TestNothingIsRunWithAMadeUpInputWhenThatIsTurnedOff(t *testing.T) {
	r := try(t, Options{Binary: wrapper(t, "good"), NoSamples: true})
	for _, id := range []string{"execute/say", "parallel", "wrong-input", "large-input"} {
		if !slices.Contains(ids(r, Skip), id) {
			t.Errorf("%s was not skipped:\n%s", id, tell(r))
		}
	}
}

// TestEveryRuleIsBrokenByAPluginAndFound has one plugin for each rule, which
// breaks that rule. Further cases may fail with it; the good ones must not.
func TestEveryRuleIsBrokenByAPluginAndFound(t *testing.T) {
	rules := map[string]string{
		"mute":             "no-cookie",
		"serves-anybody":   "no-cookie",
		"silent-by-hand":   "by-hand",
		"no-handshake":     "handshake",
		"bad-name":         "manifest",
		"bad-schema":       "manifest-schemas",
		"moody-manifest":   "manifest-same",
		"describes-other":  "describe",
		"takes-any-config": "config-unknown",
		"takes-any-type":   "config-type",
		"configures-once":  "config-valid",
		"never-ready":      "health",
		"starts-anything":  "first-message",
		"crashes":          "unknown-activity",
		"vague":            "wrong-input",
		"retries-bad":      "missing-input",
		"strict-input":     "unknown-input",
		"small":            "large-input",
		"one-at-a-time":    "parallel",
		"speaks-twice":     "cancel-twice",
		"dies-when-cut":    "cut",
		"lies-about-out":   "case/1",
		"no-ticks":         "case/2",
		"deaf":             "case/2",
		"fails-cancelled":  "case/2",
		"stays":            "drain",
		"exits-1":          "sigterm",
		"drains-nothing":   "drain-refuses",
		"drains-for-ever":  "drain",
		"drains-mute":      "drain-refuses",
		"ignores-term":     "sigterm",
		"orphan":           "host-gone",
		"leaves-child":     "nothing-left",
	}
	// They mostly wait, so more of them run at once than t.Parallel would let.
	var mu sync.Mutex
	reports := map[string]*Report{}
	var g errgroup.Group
	g.SetLimit(16)
	for kind, want := range rules {
		binary := wrapper(t, kind)
		g.Go(func() error {
			r, err := untilJudged(t.Context(), Options{Binary: binary, Cases: cases(), TempDir: "/tmp", Only: []string{want}})
			mu.Lock()
			defer mu.Unlock()
			reports[kind] = r
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for kind, want := range rules {
		if !slices.Contains(ids(reports[kind], Fail), want) {
			t.Errorf("plugin %s: case %s did not fail:\n%s", kind, want, tell(reports[kind]))
		}
	}
}

// untilJudged tries a plugin that breaks the rule of o.Only by not doing
// something, for which a run waits as long as it may. So the limits begin short
// and are doubled until the plugin came so far that the case failed: how long
// that takes is the machine's affair.
func untilJudged(ctx context.Context, o Options) (*Report, error) {
	for o.Grace, o.Timeout = 2*time.Second, 8*time.Second; ; o.Grace, o.Timeout = 2*o.Grace, 2*o.Timeout {
		r, err := Run(ctx, o)
		if err != nil || slices.Contains(ids(r, Fail), o.Only[0]) || o.Timeout > 2*time.Minute {
			return r, err
		}
	}
}

func TestAFileThatCannotBeTriedIsRefused(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/does/not/exist": "no such file", plain: "chmod +x", t.TempDir(): "not an executable file"} {
		_, err := Run(t.Context(), Options{Binary: path})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
}

func TestOnlyTheCasesAskedForAreRun(t *testing.T) {
	r := try(t, Options{Binary: wrapper(t, "good"), Cases: cases(), Only: []string{"cancel-twice", "case"}})
	if got := strings.Join(ids(r, Pass), " "); got != "manifest cancel-twice case/1 case/2" {
		t.Errorf("passed: %s\n%s", got, tell(r))
	}
}

func TestACaseThatThereIsNotIsRefusedBeforeAnyIsRun(t *testing.T) {
	var ran int
	for only, want := range map[string]struct {
		text string
		ran  int
	}{
		"cancle":       {`no case "cancle"; there are: by-hand, `, 0},
		"case/3":       {`no case "case/3"; there are: `, 0},
		"execute/sign": {`no case "execute/sign"; there are: by-hand, `, 1}, // which activities there are is learned
	} {
		ran = 0
		_, err := Run(t.Context(), unhurried(Options{Binary: wrapper(t, "good"), Cases: cases(), Only: []string{only}, Progress: func(Result) { ran++ }}))
		var unknown *UnknownCaseError
		if !errors.As(err, &unknown) || unknown.ID != only || !strings.Contains(err.Error(), want.text) || ran != want.ran {
			t.Errorf("--only %s ran %d cases: %v", only, ran, err)
		}
	}
}

func TestACaseAboutAnUnknownActivityIsRefused(t *testing.T) {
	_, err := Run(t.Context(), unhurried(Options{Binary: wrapper(t, "good"), Cases: []Case{{Activity: "sing"}}}))
	if err == nil || !strings.Contains(err.Error(), `"sing", which good does not offer`) {
		t.Errorf("got %v", err)
	}
}

func TestAnInterruptedRunLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dir, err := os.MkdirTemp("/tmp", "kit")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	seen := 0
	_, err = Run(ctx, Options{Binary: wrapper(t, "good"), TempDir: dir, Cases: cases(), Progress: func(Result) {
		if seen++; seen == 12 {
			cancel()
		}
	}})
	if err == nil {
		t.Error("an interrupted run gave no error")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left in the folder: %v %v", left, err)
	}
}

// build makes a binary of a Go module below the repository.
func build(t *testing.T, module string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "plugin")
	c := exec.Command("go", "build", "-trimpath", "-o", to, ".")
	c.Dir = module
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", module, err, out)
	}
	return to
}

func readCases(t *testing.T, path string) []Case {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cases, err := ParseCases(data)
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

func TestTheGoExamplePasses(t *testing.T) {
	r := try(t, Options{Binary: build(t, "../../examples/greeter-go"), Cases: readCases(t, "../../examples/greeter-go/cases.yaml")})
	if r.Failed+r.Skipped != 0 {
		t.Errorf("want every case to pass:\n%s", tell(r))
	}
}

func TestAPluginThatNoTableCanConfigureIsRemarkedOn(t *testing.T) {
	r := try(t, Options{Binary: wrapper(t, "drain")})
	i := slices.IndexFunc(r.Cases, func(c Result) bool { return strings.Contains(c.Detail, `"drain" is a setting of [plugins] itself`) })
	if i < 0 || r.Cases[i].Status != Pass || r.Failed != 0 {
		t.Errorf("want a remark and no failure:\n%s", tell(r))
	}
}
