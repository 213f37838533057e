package proc

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hashicorp/go-plugin"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// looksLikeHandshake tells go-plugin's line "1|1|unix|/path|grpc|" from a print.
func looksLikeHandshake(line []byte) bool {
	head, rest, ok := bytes.Cut(bytes.TrimSpace(line), []byte("|"))
	if !ok || bytes.Count(rest, []byte("|")) < 2 {
		return false
	}
	_, err := strconv.Atoi(string(head))
	return err == nil
}

// checkHandshake says in plain words what is wrong with a handshake line, before
// go-plugin parses it. The socket has to lie in dir: only that folder is private
// to this process and removed after it.
func checkHandshake(line, dir string) error {
	parts := strings.Split(strings.TrimSpace(line), "|")
	if len(parts) < 4 {
		return fmt.Errorf("%w: expected 1|%d|unix|<socket>|grpc|, got %q",
			ErrBadHandshake, pluginv1.ProtocolVersion, shorten(line, 120))
	}
	if parts[0] != strconv.Itoa(plugin.CoreProtocolVersion) {
		return fmt.Errorf("%w: go-plugin core version %q, the host has %d; rebuild the plugin with a current SDK",
			ErrProtocolVersion, shorten(parts[0], 20), plugin.CoreProtocolVersion)
	}
	if v, err := strconv.Atoi(parts[1]); err != nil {
		return fmt.Errorf("%w: %q is no protocol version", ErrBadHandshake, shorten(parts[1], 20))
	} else if v != pluginv1.ProtocolVersion {
		return fmt.Errorf("%w: the plugin speaks %d, the host %d; use a release of the plugin made for this host",
			ErrProtocolVersion, v, pluginv1.ProtocolVersion)
	}
	if parts[2] != "unix" {
		return fmt.Errorf("%w: it listens on %q, the host connects to unix sockets only",
			ErrBadHandshake, shorten(parts[2]+" "+parts[3], 80))
	}
	if filepath.Dir(filepath.Clean(parts[3])) != dir {
		return fmt.Errorf("%w: its socket %s is not in the folder given by %s",
			ErrBadHandshake, shorten(parts[3], 120), plugin.EnvUnixSocketDir)
	}
	if len(parts) < 5 || plugin.Protocol(parts[4]) != plugin.ProtocolGRPC {
		proto := string(plugin.ProtocolNetRPC)
		if len(parts) >= 5 {
			proto = parts[4]
		}
		return fmt.Errorf("%w: it speaks %q, the host speaks grpc", ErrBadHandshake, shorten(proto, 20))
	}
	if len(parts) >= 6 && len(parts[5]) > 50 {
		return fmt.Errorf("%w: it asks for TLS, which the host does not use on a private socket", ErrBadHandshake)
	}
	return nil
}
