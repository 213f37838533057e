package hostcore

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/admin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// silent is the address of a server that takes connections and never answers.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

// starting is a host that still waits for Temporal, with these scripts in its
// plugin folder.
func starting(t *testing.T, scripts map[string]string) *admin.Client {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "orch-host") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c := config.Default()
	c.Temporal.Mode, c.Temporal.Address = config.ModeExternal, silent(t)
	c.Host.StateDir, c.Host.RuntimeDir, c.Host.Listen = filepath.Join(dir, "state"), filepath.Join(dir, "run"), "127.0.0.1:0"
	c.Host.Pipelines = filepath.Join(dir, "pipelines")
	c.Plugins.Dir, c.Plugins.Mode = filepath.Join(dir, "plugins"), config.TrustOff
	if err := os.Mkdir(c.Plugins.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range scripts {
		if err := os.WriteFile(filepath.Join(c.Plugins.Dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		h, err := Start(ctx, Options{Config: c, Logger: slog.New(slog.DiscardHandler), Version: "test"})
		if err == nil {
			h.Stop()
		}
		ended <- err
	}()
	client := admin.NewClient(c.Host.RuntimeDir)
	t.Cleanup(func() {
		client.Close()
		cancel()
		if err := <-ended; err == nil {
			t.Error("the host has started without Temporal")
		}
	})
	return client
}

// until asks again until the answer is right.
func until(t *testing.T, what string, right func() (bool, error)) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		ok, err := right()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not in 20 s; last: %v", what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestAHostThatStartsSaysWhoItIs(t *testing.T) {
	c := starting(t, nil)
	until(t, "it answers", func() (bool, error) {
		i, err := c.Info(t.Context())
		return err == nil && i.Listen != "", err
	})
}

func TestAHostThatStartsIsNotReady(t *testing.T) {
	c := starting(t, nil)
	until(t, "it answers", func() (bool, error) {
		r, err := c.Ready(t.Context())
		if err != nil {
			return false, err
		}
		if r.Ready || len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "is starting") {
			t.Errorf("without Temporal it says %+v", r)
		}
		return true, nil
	})
}
