package supervisor

import (
	"testing"
	"time"

	"github.com/orch-host/orch/sdk/pluginv1"
)

func TestAPluginThatHangsUpIsAskedAgain(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.put(binary("a", "1.0.0", "x"))
		p := w.process("a-1.0.0")
		for range 3 {
			p.Server.HangUp()
			time.Sleep(3 * time.Second)
			if s := w.status("a"); s.State != Ready || s.Restarts != 0 || s.Error != "" {
				t.Fatalf("after it hung up: %+v", s)
			}
		}
		p.Server.Report(pluginv1.Status_DEGRADED, "slow disk")
		if s := w.status("a"); s.State != Degraded {
			t.Errorf("after it reports trouble: %+v", s)
		}
		p.Server.Report(pluginv1.Status_FAILED, "no disk")
		time.Sleep(time.Second)
		if s := w.status("a"); s.State != Ready || s.Restarts != 1 {
			t.Errorf("after it reports that it cannot serve: %+v", s)
		}
	})
}

func TestAPluginThatHangsUpAtOnceIsNotAskedAllTheTime(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.put(binary("a", "1.0.0", "x"))
		p := w.process("a-1.0.0")
		begun := p.Server.Watches()
		for range 600 { // ten minutes
			p.Server.HangUp()
			time.Sleep(time.Second)
		}
		if n := p.Server.Watches() - begun; n < 5 || n > 20 {
			t.Errorf("it was asked %d times in ten minutes", n)
		}
		if s := w.status("a"); s.State != Ready || s.Restarts != 0 {
			t.Errorf("%+v", s)
		}
	})
}
