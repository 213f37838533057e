package sdk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
)

// attach serves without being started by a host, for a debugger: the host that
// has the address in a [dev.<group>] table connects to it. It runs until it is
// interrupted; a host that lets go of it does not end it.
func attach(s *Server, args []string, stdout, stderr io.Writer) int {
	s.attached = true
	slog.SetDefault(slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: s.level})))
	m := s.Manifest()
	address := "unix:" + filepath.Join(os.TempDir(), "orch-dev-"+m.GetName()+".sock")
	if len(args) > 0 {
		address = args[0]
	}
	l, err := listen(address)
	if err != nil {
		fmt.Fprintf(stderr, "plugin %s cannot serve at %s: %v\n", m.GetName(), address, err)
		return 1
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); ok {
		address = tcp.String()
	}
	g := grpc.NewServer(Options()...)
	s.Register(g)
	end := &lifetime{}
	end.set(g)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(stop)
	go func() {
		<-stop
		s.startDraining()
		select {
		case <-s.idle:
		case <-time.After(termDrain):
		case <-stop: // a second time: at once
		}
		end.stop(lastWords)
	}()
	fmt.Fprintf(stdout, "%s %s serves at %s. In orch.toml, before the host starts:\n\n[dev.%s]\nattach = %q\n",
		m.GetName(), m.GetVersion(), address, m.GetGroup(), address)
	err = g.Serve(l)
	s.Close()
	if err != nil {
		fmt.Fprintf(stderr, "plugin %s stopped serving at %s: %v\n", m.GetName(), address, err)
		return 1
	}
	return 0
}

// listen opens "unix:/path" or "host:port". A socket that nobody serves any
// more is replaced.
func listen(address string) (net.Listener, error) {
	path, ok := strings.CutPrefix(address, "unix:")
	if !ok {
		return net.Listen("tcp", address)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSocket != 0 {
		if conn, err := net.Dial("unix", path); err == nil {
			return nil, errors.Join(errors.New("another process serves there"), conn.Close())
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("remove a stale socket: %w", err)
		}
	}
	old := syscall.Umask(0o077) // whoever may connect may run activities
	defer syscall.Umask(old)
	return net.Listen("unix", path)
}
