package pipeline

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

// server is the embedded server of this package's tests, started by the first
// that needs it.
var server struct {
	sync.Mutex
	*embedded.Server
	dir string
}

// serverAddress is a Temporal server's: the one that ORCH_TEMPORAL names, such
// as localhost:7233, else one started from bin/devserver.
func serverAddress(t *testing.T) string {
	t.Helper()
	if address := os.Getenv("ORCH_TEMPORAL"); address != "" {
		return address
	}
	binary, err := filepath.Abs("../../bin/devserver")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(binary); err != nil {
		t.Skipf("temporal not available: %v; build it with make devserver, or set ORCH_TEMPORAL to a server's address", err)
	}
	server.Lock()
	defer server.Unlock()
	if server.Server != nil {
		return server.Address()
	}
	if server.dir, err = os.MkdirTemp("", "orch-pipeline"); err != nil {
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
	if server.Server, err = embedded.Start(ctx, embedded.Options{Binary: binary, StateDir: server.dir, Port: port, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatalf("start the embedded Temporal server: %v", err)
	}
	return server.Address()
}

func stopServer() {
	server.Lock()
	defer server.Unlock()
	if server.Server != nil {
		_ = server.Stop(context.Background())
	}
	_ = os.RemoveAll(server.dir)
}
