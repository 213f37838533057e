// Package embeddedtest gives the tests of a package one Temporal server.
package embeddedtest

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/orch-host/orch/hostcore/embedded"
)

// Server is started by the first test that needs it. The zero value is ready.
type Server struct {
	mu      sync.Mutex
	running *embedded.Server
	dir     string
}

// Address is that of the server that ORCH_TEMPORAL names, such as localhost:7233,
// else of one from the devserver binary at the path.
func (s *Server) Address(t *testing.T, binary string) string {
	t.Helper()
	if address := os.Getenv("ORCH_TEMPORAL"); address != "" {
		return address
	}
	binary, err := filepath.Abs(binary)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(binary); err != nil {
		t.Skipf("temporal not available: %v; build it with make devserver, or set ORCH_TEMPORAL to a server's address", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return s.running.Address()
	}
	if s.dir, err = os.MkdirTemp("", "orch-temporal"); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if s.running, err = embedded.Start(ctx, embedded.Options{Binary: binary, StateDir: s.dir, Port: port, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatalf("start the embedded Temporal server: %v", err)
	}
	return s.running.Address()
}

// Stop ends the server, if one was started, for TestMain.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		_ = s.running.Stop(context.Background())
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}
