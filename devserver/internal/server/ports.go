package server

import (
	"errors"
	"fmt"
	"net"
	"strconv"

	"golang.org/x/sys/unix"
)

// PortError says that a port cannot be used.
type PortError struct {
	// Use is what the port is for, Flag and Key what changes it.
	Use, Flag, Key string
	// Address is host:port.
	Address string
	Err     error
}

func (e *PortError) Error() string {
	why := "cannot be used"
	if errors.Is(e.Err, unix.EADDRINUSE) {
		why = "is taken, perhaps by another Temporal server"
	}
	_, port, _ := net.SplitHostPort(e.Address)
	return fmt.Sprintf("%s address %s %s: %v; find the holder with: ss -ltnp 'sport = :%s'; or choose another port with --%s (orch.toml: %s)",
		e.Use, e.Address, why, e.Err, port, e.Flag, e.Key)
}

func (e *PortError) Unwrap() error { return e.Err }

// probePort reports whether ip:port can be listened on right now.
func probePort(ip string, port int, use, flag, key string) error {
	address := net.JoinHostPort(ip, strconv.Itoa(port))
	l, err := net.Listen("tcp", address)
	if err != nil {
		// The wrapped error repeats the address; its cause is what matters.
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return &PortError{Use: use, Flag: flag, Key: key, Address: address, Err: err}
	}
	return l.Close()
}

// freePorts returns n different ports of ip that nobody listens on. Each is
// put into TIME_WAIT by one short connection, so that the kernel does not hand
// it to another process before the server binds it (Go sets SO_REUSEADDR).
func freePorts(ip string, n int) ([]int, error) {
	out := make([]int, 0, n)
	for range n {
		port, err := reservePort(ip)
		if err != nil {
			return nil, fmt.Errorf("find a free port on %s: %w", ip, err)
		}
		out = append(out, port)
	}
	return out, nil
}

func reservePort(ip string) (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		return 0, err
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return 0, err
	}
	defer c.Close()
	s, err := l.Accept()
	if err != nil {
		return 0, err
	}
	// The side that closes first is the one that waits.
	return l.Addr().(*net.TCPAddr).Port, s.Close()
}

// reachable turns a listen address into one that can be dialled.
func reachable(ip string) string {
	parsed := net.ParseIP(ip)
	switch {
	case parsed == nil || !parsed.IsUnspecified():
		return ip
	case parsed.To4() != nil:
		return "127.0.0.1"
	default:
		return "::1"
	}
}
