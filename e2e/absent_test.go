package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAStartIsRefusedWhenTheLastHostHasGoneOrItsPluginIsMissing(t *testing.T) {
	temporal, _ := temporalOnly(t)
	h := newHosts(t, temporal.port, "[services.{p}]\npipeline = \"ledger\"\n", "a")
	a := h.all[0]
	running := a.start()
	a.expect(0, "start", "--wait", h.prefix)
	if err := running.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-running.done
	if o := a.expect(3, "start", h.prefix); !strings.Contains(o.stderr, "nobody polls task queue "+h.prefix+"-queue") {
		t.Errorf("after the last host has gone: %v", o)
	}
	plugin := filepath.Join(a.dir, "plugins", "ledger")
	if err := os.Remove(plugin); err != nil {
		t.Fatal(err)
	}
	a.start()
	began := time.Now()
	if o := a.expect(3, "start", h.prefix); !strings.Contains(o.stderr, "no host takes activities from task queue "+h.prefix+"-queue") {
		t.Errorf("without the plugin: %v", o)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("the refusal took %s", took)
	}
	install(t, filepath.Join(built, "ledger"), plugin)
	a.expect(0, "plugin", "reload")
	a.expect(0, "start", "--wait", h.prefix)
}
