package proc_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/orch-host/orch/hostcore/proc"
	"github.com/orch-host/orch/sdk/pluginv1"
)

func TestLimitsAreInForceAndReported(t *testing.T) {
	spec := specOf(t, "good")
	spec.Limits = proc.Limits{MemoryBytes: 512 << 20, OpenFiles: 200}
	p := start(t, spec)
	var files unix.Rlimit
	if err := unix.Prlimit(p.Pid(), unix.RLIMIT_NOFILE, nil, &files); err != nil {
		t.Fatal(err)
	}
	if files.Max != 200 {
		t.Errorf("open files limit %+v, want 200", files)
	}
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.Pid()))
	if err != nil || !strings.Contains(string(env), fmt.Sprintf("GOMEMLIMIT=%d\x00", (512<<20)/10*9)) {
		t.Errorf("GOMEMLIMIT is not set (%v)", err)
	}
	got := map[string]bool{}
	for _, l := range p.Limits() {
		if l.Err != nil {
			t.Errorf("not in force: %s", l)
		}
		got[l.By] = true
	}
	for _, by := range []string{"RLIMIT_NOFILE", "GOMEMLIMIT", "RLIMIT_DATA"} {
		if !got[by] {
			t.Errorf("%s is not reported: %v", by, p.Limits())
		}
	}
}

func TestAMemoryLeakIsStoppedWithAClearError(t *testing.T) {
	spec := specOf(t, "good")
	spec.Limits.MemoryBytes = 512 << 20 // a race-enabled test binary needs some itself
	p := start(t, spec)
	if _, err := pluginv1.NewPluginClient(p.Conn()).Configure(t.Context(), &pluginv1.ConfigureRequest{Config: []byte("leak")}); err == nil {
		t.Fatal("the leaking call returned")
	}
	<-p.Done()
	e := p.ExitState()
	// The race detector's runtime says it in words of its own.
	told := strings.Contains(e.Error(), "out of memory") || strings.Contains(e.Error(), "ThreadSanitizer failed to allocate")
	if e.Requested || e.Clean() || !told {
		t.Errorf("it %v", e)
	}
}

func TestAPluginRunsAsAnotherUserFromThePrivateStore(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can change the user")
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	private := filepath.Join(t.TempDir(), "store")
	if err := os.Mkdir(private, 0o700); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(private, "bin")
	if err := os.WriteFile(binary, self, 0o555); err != nil {
		t.Fatal(err)
	}
	spec := specOf(t, "good")
	spec.Path, spec.Limits.RunAs = binary, "65534:65534"
	p := start(t, spec)
	describe(t, p)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Uid:\t65534\t65534\t65534\t65534", "Gid:\t65534\t65534\t65534\t65534", "Groups:\t \n"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("status lacks %q", want)
		}
	}
}

func TestAnUnknownUserIsRefused(t *testing.T) {
	spec := specOf(t, "good")
	spec.Limits.RunAs = "no-such-user-at-all"
	_, err := proc.Start(t.Context(), spec)
	var se *proc.StartError
	if !errors.As(err, &se) || se.Stage != proc.StagePrepare || !strings.Contains(err.Error(), "no-such-user-at-all") {
		t.Errorf("got %v", err)
	}
	assertEmpty(t, spec.RuntimeDir)
}

func TestACgroupReachesThoseWhoLeftTheGroup(t *testing.T) {
	groups, err := proc.OpenCgroups()
	if err != nil {
		t.Skipf("cgroup v2 is not delegated: %v", err)
	}
	file := filepath.Join(t.TempDir(), "pid")
	spec := specOf(t, "setsid-child", "CHILD_PID_FILE="+file)
	spec.Cgroups, spec.Limits.MemoryBytes = groups, 256<<20
	p := start(t, spec)
	describe(t, p)
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", p.Pid()))
	if err != nil || !strings.Contains(string(line), "/orch-") {
		t.Errorf("the plugin is in no cgroup of its own: %s (%v)", line, err)
	}
	var reported bool
	for _, l := range p.Limits() {
		t.Log(l)
		reported = reported || (l.By == "cgroup" && (l.Err == nil) == (groups.MemoryErr() == nil))
	}
	if !reported {
		t.Errorf("limits %v do not tell about the cgroup", p.Limits())
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var child int
	fmt.Sscan(string(data), &child)
	if err := p.Stop(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the child's end", func() bool { return !running(child) })
}
