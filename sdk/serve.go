package sdk

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/orch-host/orch/sdk/pluginv1"
)

const (
	closeTimeout = 10 * time.Second
	// readyTimeout is how long Plugin.Ready may take for one answer.
	readyTimeout = 30 * time.Second
	// cutTimeout is how long attempts that were cut may take to return before
	// Plugin.Close takes away what they use. They have had their grace.
	cutTimeout = 2 * time.Second
	// lastWords is how long answers that are on their way may take when nothing
	// runs any more. The host's own streams (health, output) never end by
	// themselves, so a graceful stop would wait for ever.
	lastWords = 30 * time.Millisecond
	// termDrain bounds how long a SIGTERM waits for running attempts; the host
	// sends SIGKILL when its own, usually shorter, limit is over.
	termDrain = 30 * time.Second
)

// Serve is a plugin's main function. It understands four subcommands:
// "describe" prints the manifest as JSON, "version" prints the versions,
// "attach [ADDRESS]" serves under a debugger for a host that has the address in
// its [dev.<group>] table, and "serve", which only the host calls, serves until
// the host is done. It does not return.
func Serve(p Plugin) {
	os.Exit(run(p, os.Args[1:], os.Stdout, os.Stderr))
}

func run(p Plugin, args []string, stdout, stderr io.Writer) int {
	s, err := NewServer(p)
	if err != nil {
		fmt.Fprintf(stderr, "this plugin cannot be served: %v\n", err)
		return 1
	}
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	switch command {
	case "describe":
		text, err := DescribeJSON(s.Manifest())
		if err != nil {
			fmt.Fprintf(stderr, "describe plugin %s: %v\n", p.Name, err)
			return 1
		}
		fmt.Fprintf(stdout, "%s\n", text)
		return 0
	case "version":
		m := s.Manifest()
		fmt.Fprintf(stdout, "%s %s (sdk %s, %s, wire %d)\n", m.GetName(), m.GetVersion(), m.GetSdk(), m.GetLanguage(), pluginv1.ProtocolVersion)
		return 0
	case "attach":
		return attach(s, args[1:], stdout, stderr)
	case pluginv1.ServeArg:
		if os.Getenv(pluginv1.MagicCookieKey) == pluginv1.MagicCookieValue {
			return serve(s, stderr)
		}
		fmt.Fprintf(stderr, "\"serve\" is for the Orch host. To try this Orch plugin by hand: host plugin run %s ACTIVITY\n", os.Args[0])
		return 2
	}
	fmt.Fprintf(stderr, "%s %s is an Orch plugin: copy it into the host's plugin folder.\n\nusage:\n  %s describe          print what it offers, as JSON\n  %s version           print its versions\n  %s attach [ADDRESS]  serve under a debugger, for a host with [dev.%s] in its orch.toml\n",
		p.Name, p.Version, os.Args[0], os.Args[0], os.Args[0], s.plugin.Group)
	return 2
}

// serve runs the gRPC server through go-plugin until a drain, SIGTERM, the end
// of the host or go-plugin's own shutdown ends it.
func serve(s *Server, stderr io.Writer) int {
	logger := processLogger(stderr, s.level)
	slog.SetDefault(logger)
	if f := inheritedFile(pluginv1.EnvHandshakeFD, "handshake"); f != nil {
		os.Stdout = f // go-plugin prints the handshake line there, and prints of the plugin's own stay out of it
	}
	server := &lifetime{}
	if f := inheritedFile(pluginv1.EnvLivenessFD, "liveness"); f != nil {
		go func() {
			_, _ = io.Copy(io.Discard, f) // returns when the host's end is closed
			logger.Info("the host is gone, exiting")
			server.stop(0)
			os.Exit(0)
		}()
	}
	terms := make(chan os.Signal, 1)
	signal.Notify(terms, syscall.SIGTERM)
	go func() {
		select {
		case <-terms:
			s.startDraining()
			select {
			case <-s.idle:
			case <-time.After(termDrain):
			}
		case <-s.drained:
		}
		server.stop(lastWords)
	}()
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: goplugin.HandshakeConfig{
			ProtocolVersion: pluginv1.ProtocolVersion, MagicCookieKey: pluginv1.MagicCookieKey, MagicCookieValue: pluginv1.MagicCookieValue,
		},
		Plugins: goplugin.PluginSet{pluginv1.PluginName: &registration{s: s}},
		Logger:  hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: stderr, JSONFormat: true}),
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			g := grpc.NewServer(append(opts, Options()...)...)
			server.set(g)
			return g
		},
	})
	s.Close()
	return 0
}

// lifetime ends the gRPC server once, whoever asks first.
type lifetime struct {
	mu sync.Mutex
	g  *grpc.Server
}

func (l *lifetime) set(g *grpc.Server) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.g = g
}

// stop ends the server, giving streams that are about to finish a moment.
// Plugin.Close runs before goplugin.Serve returns to a main that exits.
func (l *lifetime) stop(grace time.Duration) {
	l.mu.Lock()
	g := l.g
	l.mu.Unlock()
	if g == nil {
		return
	}
	if grace > 0 {
		timer := time.AfterFunc(grace, g.Stop)
		defer timer.Stop()
		g.GracefulStop()
		return
	}
	g.Stop()
}

// inheritedFile opens a descriptor that the host named in the environment and
// keeps it from the plugin's own children.
func inheritedFile(env, name string) *os.File {
	fd, err := strconv.Atoi(os.Getenv(env))
	if err != nil || fd < 3 {
		return nil
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), name)
}

// registration hands the server to go-plugin.
type registration struct {
	goplugin.NetRPCUnsupportedPlugin
	s *Server
}

var _ goplugin.GRPCPlugin = (*registration)(nil)

func (r *registration) GRPCServer(_ *goplugin.GRPCBroker, g *grpc.Server) error {
	r.s.Register(g)
	return nil
}

func (r *registration) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, fmt.Errorf("the SDK serves plugins, it does not call them")
}
