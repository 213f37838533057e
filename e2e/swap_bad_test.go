package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/orch-host/orch/bench/load"
	"github.com/orch-host/orch/hostcore/supervisor"
)

func TestABadNewVersionNeverInterruptsTheOldOne(t *testing.T) {
	r := newRig(t, nil, loadService)
	r.setPlugins(`start_timeout = "5s"`)
	good := variant(t, load.Identity{Version: "1.0.0"})
	r.put("load", good)
	r.start()
	c := r.client(client.Options{})
	defer r.steadyWorker(c)()
	pid := r.pluginPid("load")

	foreign := bytes.Clone(variant(t, load.Identity{Version: "2.0.0"}))
	foreign[18], foreign[19] = 0xb7, 0 // ELF header: machine is aarch64
	if bytes.HasPrefix(foreign[18:], good[18:20]) {
		foreign[18] = 0x3e // this machine is aarch64: make it amd64
	}
	mode := func(m string) []byte { return variant(t, load.Identity{Version: "2.0.0", Mode: m}) }
	bad := []struct {
		name   string
		binary []byte
		want   string // part of the error
		cause  string // what else the error says
	}{
		{"one that exits at start", mode("crash-start"), "the licence is missing", "quarantine"},
		{"one that exits when it is configured", mode("crash-config"), "crashed", "refused"},
		{"one that never becomes ready", mode("never-ready"), "the database is away", "refused"},
		{"one that drops an activity", mode("narrow"), "activity work is gone", "@2"},
		{"one that is cut off", good[:len(good)/2], "did not start", "quarantine"},
		{"one for another processor", foreign, "this machine is", "quarantine"},
		{"one that is a script and no plugin", []byte("#!/bin/sh\nexit 1\n"), "exit", "quarantine"},
	}
	for _, b := range bad {
		t.Run(b.name, func(t *testing.T) {
			stop := r.steady(c)
			r.put("load", b.binary)
			p := r.until("it is refused and quarantined", "load", func(p supervisor.Status) bool {
				return p.Rejected != nil && strings.Contains(p.Error, b.want) && strings.Contains(p.Error, b.cause) && !p.Rejected.Until.IsZero()
			})
			t.Logf("%s", p.Error)
			if p.State != supervisor.Ready || p.Version != "1.0.0" || p.Pid != pid {
				t.Errorf("want version 1.0.0 to go on as process %d, got %+v", pid, p)
			}
			if p.Rejected.Digest == p.Digest {
				t.Errorf("the one that serves is shown as rejected: %+v", p.Rejected)
			}
			if o := r.expect(0, "plugin", "list"); !strings.Contains(o.stdout, b.want) {
				t.Errorf("host plugin list does not say why:\n%s", o.stdout)
			}
			stop()
			r.put("load", good)
			r.until("the folder holds again what serves", "load", func(p supervisor.Status) bool { return p.Rejected == nil && p.Error == "" })
		})
	}
	if now := r.pluginPid("load"); now != pid {
		t.Errorf("version 1.0.0 is process %d, was %d", now, pid)
	}
}

func TestAVersionThatCrashesAfterTheSwitchIsRolledBackAtOnce(t *testing.T) {
	r := newRig(t, nil, loadService)
	r.put("load", variant(t, load.Identity{Version: "1.0.0"}))
	r.start()
	c := r.client(client.Options{})
	r.put("load", variant(t, load.Identity{Version: "2.0.0", Mode: "crash-later"}))
	p := r.until("it has been rolled back", "load", func(p supervisor.Status) bool {
		return p.State == supervisor.Ready && p.Version == "1.0.0" && p.Rejected != nil
	})
	if !strings.Contains(p.Error, "rolled back from load 2.0.0") || !strings.Contains(p.Error, "it worked on my machine") {
		t.Errorf("want the version and its last words, got %q", p.Error)
	}
	if p.Rejected.Version != "2.0.0" || time.Until(p.Rejected.Until) < 5*time.Minute {
		t.Errorf("want version 2.0.0 in quarantine, got %+v", p.Rejected)
	}
	crashed, back := r.event("crashed", "2.0.0"), r.event("rolled_back", "2.0.0")
	if took := p.Since.Sub(crashed.Time); took > 5*time.Second {
		t.Errorf("version 1.0.0 was back %s after the crash", took)
	}
	if back.NewVersion != "1.0.0" || back.OldDigest == "" || back.NewDigest == "" {
		t.Errorf("want one event with both versions and digests, got %+v", back)
	}
	if got := r.work(c, "work"); got.Version != "1.0.0" {
		t.Errorf("version %s answered", got.Version)
	}
	t.Run("another look at the folder does not bring it back", func(t *testing.T) {
		o := r.host("plugin", "reload")
		if !strings.Contains(o.stdout, "quarantine") {
			t.Errorf("want to be told of the quarantine, got %v", o)
		}
		if p := r.plugin("load"); p.Version != "1.0.0" || p.State != supervisor.Ready {
			t.Errorf("want version 1.0.0 ready, got %+v", p)
		}
	})
	t.Run("after a crash of the old one it is the old one that is started again", func(t *testing.T) {
		kill(t, r.pluginPid("load"))
		p := r.until("it serves again", "load", func(p supervisor.Status) bool { return p.State == supervisor.Ready && p.Restarts == 1 })
		if p.Version != "1.0.0" {
			t.Errorf("version %s was started", p.Version)
		}
	})
}

func TestABinaryThatTheLockFileDoesNotHoldNeverTakesThePlaceOfOneThatItHolds(t *testing.T) {
	r := newRig(t, nil, loadService)
	r.setPlugins(`mode = "strict"`)
	r.put("load", variant(t, load.Identity{Version: "1.0.0"}))
	r.expect(0, "plugin", "lock")
	r.start()
	pid := r.pluginPid("load")
	r.put("load", variant(t, load.Identity{Version: "1.1.0"}))
	p := r.until("it is refused", "load", func(p supervisor.Status) bool { return p.Rejected != nil })
	for _, want := range []string{"found sha256 " + p.Rejected.Digest, "sha256 " + p.Digest, "host plugin lock"} {
		if !strings.Contains(p.Error, want) {
			t.Errorf("want an error that says %q, got %q", want, p.Error)
		}
	}
	if p.Pid != pid || p.Version != "1.0.0" {
		t.Errorf("want version 1.0.0 to go on as process %d, got %+v", pid, p)
	}
	r.expect(0, "plugin", "lock")
	r.host("plugin", "reload")
	r.until("the new one serves once it is locked", "load", serves("1.1.0"))
	if err := os.Remove(filepath.Join(r.dir, "plugins.lock")); err != nil {
		t.Fatal(err)
	}
	r.host("plugin", "reload")
	r.until("it ends when the trust in its content does", "load", func(p supervisor.Status) bool { return p.State == supervisor.Stopped })
}
