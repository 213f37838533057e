package conformance

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

func TestWhatTheDescribeCommandStartsIsGoneWithIt(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	note := self + ".child"
	t.Cleanup(func() { _ = os.Remove(note) })
	r := try(t, Options{Binary: wrapper(t, "describes-with-child"), Only: []string{"describe"}})
	if r.Passed != 2 {
		t.Errorf("want the case to pass:\n%s", tell(r))
	}
	text, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for range 100 { // whoever adopts it has to reap it
		stat, err := os.ReadFile(filepath.Join("/proc", string(text), "stat"))
		if state, _ := statOf(string(stat)); err != nil || state == "Z" {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("process %d still runs", pid)
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

// The id of a process that was reaped, and of its group, may be anybody's.
func TestAProcessIsReapedOnlyWhenItsGroupHasBeenEnded(t *testing.T) {
	k := &kit{o: Options{Binary: "/bin/true"}, dir: t.TempDir()}
	b, err := k.launch(false)
	if err != nil {
		t.Fatal(err)
	}
	if !b.ends(time.Minute) {
		t.Fatal("it did not end")
	}
	pid := b.cmd.Process.Pid
	if err := syscall.Kill(pid, 0); err != nil {
		t.Errorf("its id is free before its group was ended: %v", err)
	}
	b.stop()
	b.stop() // sends nothing
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("it was not reaped: %v", err)
	}
	if !b.cmd.ProcessState.Success() {
		t.Errorf("it ended with %s", b.cmd.ProcessState)
	}
}
