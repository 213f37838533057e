package shipper

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// awaitCheckpoint returns when n lines have arrived and a checkpoint knows of
// it.
func awaitCheckpoint(t *testing.T, sink *sink, o Options, n int) {
	t.Helper()
	if err := sink.wait(n, 60*time.Second); err != nil {
		t.Fatal(err)
	}
	arrived := time.Now()
	for deadline := arrived.Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		for _, name := range []string{"checkpoint-a", "checkpoint-b"} {
			if info, err := os.Stat(filepath.Join(o.StateDir, name)); err == nil && info.ModTime().After(arrived) {
				return
			}
		}
	}
	t.Fatal("no checkpoint was written")
}

// spawn runs a shipper in a process of its own.
func spawn(t *testing.T, o Options, files ...File) *exec.Cmd {
	t.Helper()
	o.Logger, o.Client, o.Location = nil, nil, nil
	config, err := json.Marshal(childConfig{o, files})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(config))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func TestKillingTheProcessLosesNothingAndRepeatsAtMostOneCheckpointInterval(t *testing.T) {
	rounds, n := 5, 200_000
	if long() {
		rounds, n = 20, 1_000_000
	}
	for _, rotate := range []bool{false, true} {
		t.Run(fmt.Sprintf("rotating %v", rotate), func(t *testing.T) {
			sink := newSink(t)
			path := filepath.Join(t.TempDir(), "app.log")
			o := testOptions(t, sink.URL)
			o.CheckpointInterval = 100 * time.Millisecond
			r := &rotator{t: t, path: path, sink: sink}
			r.open(os.O_APPEND)
			defer func() { r.f.Close() }()
			worst, total := 0, 0
			child := spawn(t, o, File{Path: path})
			r.write(100)
			awaitCheckpoint(t, sink, o, r.n) // a file that went before the shipper ever saw it is nobody's loss
			for round := range rounds {
				goal := n * (round + 1) / rounds
				for r.n < goal {
					r.write(min(2000, goal-r.n))
					if rotate && rand.N(8) == 0 {
						r.shift()
						r.must(os.Rename(path, path+".1"))
						r.f.Close()
						r.open(os.O_APPEND)
					}
					time.Sleep(time.Duration(rand.N(3)) * time.Millisecond)
				}
				if round == rounds-1 {
					break
				}
				time.Sleep(time.Duration(rand.N(40)) * time.Millisecond)
				_, before, _ := sink.tally(n)
				// What arrived in the last checkpoint interval, and in the time that writing it took, may come twice.
				if err := child.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				_ = child.Wait()
				child = spawn(t, o, File{Path: path})
				if err := sink.wait(r.n, 60*time.Second); err != nil {
					t.Fatalf("round %d: %v", round, err)
				}
				_, after, _ := sink.tally(n)
				total = after
				worst = max(worst, after-before)
			}
			if err := sink.wait(n, 60*time.Second); err != nil {
				t.Fatal(err)
			}
			_ = child.Process.Kill()
			_ = child.Wait()
			got, dup, missing := sink.tally(n)
			t.Logf("%d lines, %d kills: %d lost, %d duplicates in all (%d at the last kill's end), at most %d after one kill",
				n, rounds-1, n-got, dup, total, worst)
			if len(missing) > 0 || len(sink.bodies) > 0 {
				t.Errorf("missing %v, torn %.200q", missing, sink.bodies)
			}
		})
	}
}

func TestDuplicatesAfterAKillAreBoundedByTheCheckpointInterval(t *testing.T) {
	const n, rate = 60_000, 20_000 // lines per second
	sink := newSink(t)
	path := filepath.Join(t.TempDir(), "app.log")
	writeLines(t, appendTo(t, path), 0, n)
	o := testOptions(t, sink.URL)
	o.CheckpointInterval, o.LinesPerSecond = 200*time.Millisecond, rate
	worst := 0
	for want := n / 6; want < n; want += n / 6 {
		child := spawn(t, o, File{Path: path})
		if err := sink.wait(want, 60*time.Second); err != nil {
			t.Error(err)
		}
		_ = child.Process.Kill()
		_ = child.Wait()
		_, dup, _ := sink.tally(n)
		worst = max(worst, dup)
	}
	child := spawn(t, o, File{Path: path})
	err := sink.wait(n, 60*time.Second)
	_ = child.Process.Kill()
	_ = child.Wait()
	if err != nil {
		t.Fatal(err)
	}
	_, dup, _ := sink.tally(n)
	kills := 5
	// One interval at the full rate, plus the batches that may be on their way, plus a generous second's quarter for
	// a machine that is slow to sync.
	bound := kills * (rate/5 + 6*o.batchLines() + rate/4)
	t.Logf("%d lines at %d lines/s, checkpoint every %s, %d kills: %d duplicates, %.0f per kill (an interval is %d lines)",
		n, rate, o.CheckpointInterval, kills, dup, float64(dup)/float64(kills), rate/5)
	if dup > bound {
		t.Errorf("%d duplicates, more than %d", dup, bound)
	}
}

func (o Options) batchLines() int {
	if o.BatchLines > 0 {
		return o.BatchLines
	}
	return 1000
}
