package proc_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-plugin"
	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"github.com/orch-host/orch/hostcore/proc"
	"github.com/orch-host/orch/sdk/pluginv1"
)

// kindKey chooses what the re-executed test binary behaves like.
const kindKey = "TEST_PLUGIN_KIND"

func TestMain(m *testing.M) {
	if kind := os.Getenv(kindKey); kind != "" {
		behave, ok := kinds[kind]
		if !ok {
			fmt.Fprintln(os.Stderr, "no such kind of test plugin:", kind)
			os.Exit(97)
		}
		behave()
		return
	}
	goleak.VerifyTestMain(m)
}

// kinds are the plugins of the tests, good and bad.
var kinds = map[string]func(){
	"good": func() { serve(nil) },
	// A binary that knows nothing of our descriptors.
	"plain": func() { serveOn(os.Stdout, nil) },
	"chatty": func() {
		fmt.Println("hello from an init")
		fmt.Print(strings.Repeat("x", 200<<10), "\n")
		serve(nil)
	},
	"plain-chatty": func() {
		fmt.Println("hello from a plain plugin")
		serveOn(os.Stdout, nil)
	},
	"hangs":    func() { fmt.Fprintln(os.Stderr, "waiting for a licence server"); select {} },
	"exits-0":  func() {},
	"exits-3":  func() { fmt.Fprintln(os.Stderr, "cannot read /etc/thing.conf"); os.Exit(3) },
	"not-one":  func() { fmt.Println("usage: thing [flags]"); os.Exit(2) },
	"panics":   func() { panicDeep(40) },
	"garbage":  func() { handshakeFile().WriteString("what is this\n"); select {} },
	"old-core": func() { handshakeFile().WriteString("7|1|unix|/tmp/x|grpc|\n"); select {} },
	"new-wire": func() {
		fmt.Fprintf(handshakeFile(), "1|9|unix|%s/s|grpc|\n", os.Getenv(plugin.EnvUnixSocketDir))
		select {}
	},
	"netrpc": func() {
		fmt.Fprintf(handshakeFile(), "1|1|unix|%s/s|netrpc|\n", os.Getenv(plugin.EnvUnixSocketDir))
		select {}
	},
	"tcp":     func() { handshakeFile().WriteString("1|1|tcp|127.0.0.1:1|grpc|\n"); select {} },
	"outside": func() { handshakeFile().WriteString("1|1|unix|/tmp/elsewhere.sock|grpc|\n"); select {} },
	"no-socket": func() {
		fmt.Fprintf(handshakeFile(), "1|1|unix|%s/s|grpc|\n", os.Getenv(plugin.EnvUnixSocketDir))
		select {}
	},
	"deaf-socket": func() {
		path := os.Getenv(plugin.EnvUnixSocketDir) + "/s"
		l, err := net.Listen("unix", path)
		exitOn(err)
		fmt.Fprintf(handshakeFile(), "1|1|unix|%s|grpc|\n", path)
		for {
			if _, err := l.Accept(); err != nil {
				return
			}
		}
	},
	"greets-and-dies": func() {
		fmt.Fprintf(handshakeFile(), "1|1|unix|%s/s|grpc|\n", os.Getenv(plugin.EnvUnixSocketDir))
		fmt.Fprintln(os.Stderr, "sorry")
		os.Exit(4)
	},
	"grandchild-holds-stderr": func() { serve(func() { spawnChild("sleeps", false) }) },
	"setsid-child":            func() { serve(func() { spawnChild("sleeps-stubborn", true) }) },
	"sleeps":                  func() { time.Sleep(time.Hour) },
	"sleeps-stubborn": func() {
		signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
		time.Sleep(time.Hour)
	},
	"floods": func() {
		serve(func() {
			go func() {
				w := bufio.NewWriterSize(os.NewFile(2, "stderr"), 64<<10)
				for i := range 1_000_000 {
					fmt.Fprintf(w, "line %d of a flood\n", i)
				}
				w.Flush()
				os.WriteFile(os.Getenv("FLOOD_DONE"), nil, 0o600)
			}()
		})
	},
	"ignores-term": func() {
		signal.Ignore(syscall.SIGTERM)
		serveOn(handshakeFile(), func() { go exitWithHost() })
	},
	"crashes-later": func() {
		serve(func() {
			go func() {
				time.Sleep(100 * time.Millisecond)
				panicDeep(3)
			}()
		})
	},
	"prints-while-serving": func() {
		serve(func() {
			go func() {
				time.Sleep(50 * time.Millisecond) // go-plugin has put os.Stdout behind its stream
				for range 3000 {
					fmt.Println("printed while serving")
				}
				fmt.Println("the last print")
			}()
		})
	},
	"logs": func() {
		serve(func() {
			e := os.NewFile(2, "stderr")
			fmt.Fprintln(e, `{"@level":"warn","@message":"hclog speaks","@timestamp":"2025-01-02T03:04:05.000000Z","@module":"m","n":3}`)
			fmt.Fprintln(e, `{"time":"2025-01-02T03:04:05Z","level":"ERROR","msg":"slog speaks","key":"v"}`)
			fmt.Fprintln(e, "[DEBUG] text speaks")
			fmt.Fprintln(e, "plain speaks")
		})
	},
	"host": runHost,
}

// runHost is a host of its own, to be killed: it starts a plugin, prints the
// plugin's process id and waits.
func runHost() {
	p, err := proc.Start(context.Background(), proc.Spec{
		Path: os.Args[0], Env: []string{kindKey + "=" + os.Getenv("HOSTED_KIND")},
		RuntimeDir: os.Getenv("HOSTED_DIR"),
	})
	exitOn(err)
	fmt.Println(p.Pid())
	select {}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(98)
	}
}

func panicDeep(n int) {
	if n == 0 {
		panic("deep down: boom")
	}
	panicDeep(n - 1)
}

func handshakeFile() *os.File { return envFile(pluginv1.EnvHandshakeFD) }

func envFile(key string) *os.File {
	fd, err := strconv.Atoi(os.Getenv(key))
	exitOn(err)
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), key)
}

func exitWithHost() {
	_, _ = envFile(pluginv1.EnvLivenessFD).Read(make([]byte, 1))
	os.Exit(0)
}

// spawnChild leaves a process behind that inherits stderr.
func spawnChild(kind string, setsid bool) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), kindKey+"="+kind)
	cmd.Stderr = os.NewFile(2, "stderr")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: setsid}
	exitOn(cmd.Start())
	exitOn(os.WriteFile(os.Getenv("CHILD_PID_FILE"), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600))
}

// serve is what an SDK does: handshake on the private descriptor, exit with the
// host, exit on SIGTERM.
func serve(before func()) {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	serveOn(handshakeFile(), func() {
		go exitWithHost()
		go func() { <-term; os.Exit(0) }()
		if before != nil {
			before()
		}
	})
}

func serveOn(handshake *os.File, before func()) {
	if before != nil {
		before()
	}
	os.Stdout = handshake
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion:  pluginv1.ProtocolVersion,
			MagicCookieKey:   pluginv1.MagicCookieKey,
			MagicCookieValue: pluginv1.MagicCookieValue,
		},
		Plugins: plugin.PluginSet{pluginv1.PluginName: &grpcPlugin{}},
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, grpc.MaxRecvMsgSize(proc.MaxMessage))...)
		},
	})
}

type grpcPlugin struct{ plugin.NetRPCUnsupportedPlugin }

func (*grpcPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	pluginv1.RegisterPluginServer(s, &server{})
	return nil
}

func (*grpcPlugin) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, fmt.Errorf("not used")
}

// server describes itself, and gives back in the manifest what the tests want
// to know of the process.
type server struct {
	pluginv1.UnimplementedPluginServer
}

func (*server) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.Manifest, error) {
	return &pluginv1.Manifest{Group: "test", Name: "test", Version: "1.2.3"}, nil
}

// Configure sends the configuration's bytes back as a problem's message.
// The configuration "leak" makes the process leak memory instead.
func (*server) Configure(_ context.Context, r *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
	if string(r.GetConfig()) == "leak" {
		leak()
	}
	return &pluginv1.ConfigureResponse{Problems: []*pluginv1.Problem{{Message: string(r.GetConfig())}}}, nil
}

func leak() {
	var hold [][]byte
	for {
		b := make([]byte, 16<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		hold = append(hold, b)
		runtime.KeepAlive(hold)
	}
}
