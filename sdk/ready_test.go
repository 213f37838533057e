package sdk

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orch-host/orch/sdk/pluginv1"
)

func readyTest(t *testing.T, ready func(context.Context) error) *Server {
	t.Helper()
	s, err := NewServer(Plugin{Name: "x", Version: "1.0.0", Ready: ready,
		Activities: []ActivityDef{Activity("a", "", func(context.Context, struct{}) (string, error) { return "", nil })}})
	if err != nil {
		t.Fatal(err)
	}
	s.awaitReady()
	return s
}

func TestAPanicOfReadyIsAnAnswerAndNotTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		s := readyTest(t, func(context.Context) error {
			if asked++; asked == 1 {
				panic("no database")
			}
			return nil
		})
		synctest.Wait()
		if h, _ := s.health.get(); h.health != pluginv1.Status_STARTING || !strings.Contains(h.message, "the Ready function panicked: no database") {
			t.Errorf("after the panic: %+v", h)
		}
		time.Sleep(2 * time.Second)
		if h, _ := s.health.get(); h.health != pluginv1.Status_READY {
			t.Errorf("after the next answer: %+v", h)
		}
	})
}

func TestAReadyThatHangsIsToldAndAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		s := readyTest(t, func(ctx context.Context) error {
			if asked++; asked == 1 {
				<-ctx.Done()
				return errors.New("the database does not answer")
			}
			return nil
		})
		time.Sleep(readyTimeout + time.Millisecond)
		if h, _ := s.health.get(); h.health != pluginv1.Status_STARTING || h.message != "the database does not answer" {
			t.Errorf("after the limit: %+v", h)
		}
		time.Sleep(2 * time.Second)
		if h, _ := s.health.get(); h.health != pluginv1.Status_READY {
			t.Errorf("after the next answer: %+v", h)
		}
	})
}

func TestAReadyThatDoesNotHeedItsContextIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := make(chan struct{})
		s := readyTest(t, func(context.Context) error { <-on; return nil })
		time.Sleep(readyTimeout + time.Millisecond)
		if h, _ := s.health.get(); h.health != pluginv1.Status_STARTING || h.message != "the Ready function has not answered for 30s" {
			t.Errorf("after the limit: %+v", h)
		}
		close(on)
		synctest.Wait()
		if h, _ := s.health.get(); h.health != pluginv1.Status_READY {
			t.Errorf("after the answer: %+v", h)
		}
	})
}
