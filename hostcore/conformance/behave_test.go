package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/orch-host/orch/sdk"
	"github.com/orch-host/orch/sdk/pluginv1"
)

// kindKey chooses what the re-executed test binary behaves like.
const kindKey = "CONFORMANCE_TEST_KIND"

type word struct {
	Word string `json:"word"`
}

type said struct {
	Said string `json:"said"`
}

type nap struct {
	Seconds int `json:"seconds"`
}

func described(kind string) sdk.Plugin {
	type table struct {
		Volume int `json:"volume,omitempty"`
	}
	return sdk.Plugin{
		Name: kind, Version: "1.0.0", Doc: "A plugin of the tests.",
		Config: sdk.Config(func(context.Context, table) error { return nil }),
		Activities: []sdk.ActivityDef{
			sdk.Activity("say", "Says a word.", func(_ context.Context, w word) (said, error) { return said{w.Word}, nil }, sdk.Idempotent()),
			sdk.Activity("nap", "Sleeps.", func(ctx context.Context, n nap) (string, error) {
				select {
				case <-time.After(time.Duration(n.Seconds) * time.Second):
					return "rested", nil
				case <-ctx.Done():
					return "", ctx.Err()
				}
			}),
		},
	}
}

// behave is the main function of a plugin that breaks one rule.
func behave(kind string) {
	p := described(kind)
	cookie := os.Getenv(pluginv1.MagicCookieKey) == pluginv1.MagicCookieValue
	args := strings.Join(os.Args[1:], " ")
	switch {
	case kind == "mute" && args == pluginv1.ServeArg && !cookie:
		os.Exit(2)
	case kind == "serves-anybody" && args == pluginv1.ServeArg && !cookie:
		fmt.Fprintln(os.Stderr, "plugin is serving")
		select {}
	case kind == "silent-by-hand" && args == "":
		os.Exit(2)
	case kind == "no-handshake" && cookie:
		fmt.Println("hello, this is a plugin")
		os.Exit(0)
	case kind == "bad-name":
		p.Name = "bad-name"
	case kind == "describes-with-child" && args == "describe":
		c := exec.Command("sleep", "60")
		_ = c.Start()
		fmt.Printf("{\"name\": %q, \"version\": \"1.0.0\"}", kind)
		_ = os.WriteFile(os.Args[0]+".child", fmt.Append(nil, c.Process.Pid), 0o600)
		os.Exit(0)
	case kind == "describes-other" && args == "describe":
		fmt.Println(`{"name": "other", "version": "1.0.0"}`)
		os.Exit(0)
	}
	if !cookie || args != pluginv1.ServeArg || kind == "good" {
		sdk.Serve(p)
	}
	serveBadly(kind, p)
}

// bad answers as the SDK does, but for one thing.
type bad struct {
	*sdk.Server
	kind       string
	configured atomic.Int32
	calls      atomic.Int32
	one        sync.Mutex
}

// serveBadly is a bare sdk.Serve that a kind may deviate from.
func serveBadly(kind string, p sdk.Plugin) {
	s, err := sdk.NewServer(p)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	b := &bad{Server: s, kind: kind}
	os.Stdout = inherited(pluginv1.EnvHandshakeFD)
	liveness := inherited(pluginv1.EnvLivenessFD)
	if kind != "orphan" {
		go func() {
			_, _ = io.Copy(io.Discard, liveness)
			os.Exit(0)
		}()
	}
	terms := make(chan os.Signal, 1)
	signal.Notify(terms, syscall.SIGTERM)
	go func() {
		<-terms
		switch kind {
		case "ignores-term":
		case "exits-1":
			os.Exit(1)
		default:
			os.Exit(0)
		}
	}()
	options := sdk.Options()
	if kind == "small" {
		options = append(options, grpc.MaxRecvMsgSize(1<<20))
	}
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: goplugin.HandshakeConfig{
			ProtocolVersion: pluginv1.ProtocolVersion, MagicCookieKey: pluginv1.MagicCookieKey, MagicCookieValue: pluginv1.MagicCookieValue,
		},
		Plugins:    goplugin.PluginSet{pluginv1.PluginName: &badPlugin{server: b}},
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server { return grpc.NewServer(append(opts, options...)...) },
	})
}

func inherited(env string) *os.File {
	fd, err := strconv.Atoi(os.Getenv(env))
	if err != nil {
		os.Exit(3)
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), env)
}

type badPlugin struct {
	goplugin.NetRPCUnsupportedPlugin
	server *bad
}

func (p *badPlugin) GRPCServer(_ *goplugin.GRPCBroker, g *grpc.Server) error {
	pluginv1.RegisterPluginServer(g, p.server)
	return nil
}

func (p *badPlugin) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("this is a plugin, not a host")
}

func (b *bad) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.Manifest, error) {
	m := b.Manifest()
	switch b.kind {
	case "bad-name":
		m.Name = "no name"
	case "bad-schema":
		m.Activities[0].OutputSchema = []byte(`{"type": "thing"}`)
	case "moody-manifest":
		m.Doc = time.Now().String()
	}
	return m, nil
}

func (b *bad) Configure(ctx context.Context, r *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
	n := b.configured.Add(1)
	switch text := string(r.GetConfig()); {
	case b.kind == "takes-any-config" && strings.Contains(text, strangeKey), b.kind == "takes-any-type" && strings.Contains(text, "conformance"):
		return &pluginv1.ConfigureResponse{}, nil
	case b.kind == "configures-once" && n > 1 && !strings.Contains(text, "conformance"):
		return &pluginv1.ConfigureResponse{Problems: []*pluginv1.Problem{{Message: "it is configured already"}}}, nil
	}
	return b.Server.Configure(ctx, r)
}

func (b *bad) Watch(r *pluginv1.WatchRequest, stream grpc.ServerStreamingServer[pluginv1.Status]) error {
	if b.kind == "never-ready" {
		if err := stream.Send(&pluginv1.Status{Health: pluginv1.Status_STARTING, Message: "warming up"}); err != nil {
			return err
		}
		<-stream.Context().Done()
		return nil
	}
	return b.Server.Watch(r, stream)
}

func (b *bad) Drain(r *pluginv1.DrainRequest, stream grpc.ServerStreamingServer[pluginv1.DrainProgress]) error {
	switch b.kind {
	case "drains-for-ever":
		for stream.Send(&pluginv1.DrainProgress{}) == nil {
			time.Sleep(100 * time.Millisecond)
		}
		return stream.Context().Err()
	case "drains-mute":
		<-stream.Context().Done()
		return stream.Context().Err()
	}
	if err := b.Server.Drain(r, stream); err != nil {
		return err
	}
	if b.kind != "stays" {
		time.AfterFunc(50*time.Millisecond, func() { os.Exit(0) })
	}
	return nil
}

// badStream changes what an attempt receives and sends.
type badStream struct {
	grpc.BidiStreamingServer[pluginv1.ExecuteRequest, pluginv1.ExecuteEvent]
	b     *bad
	start *pluginv1.ExecuteRequest
	given bool
}

func (s *badStream) Recv() (*pluginv1.ExecuteRequest, error) {
	if !s.given {
		s.given = true
		return s.start, nil
	}
	for {
		r, err := s.BidiStreamingServer.Recv()
		if s.b.kind == "deaf" && r.GetCancel() != nil {
			continue
		}
		if s.b.kind == "dies-when-cut" && err != nil && !errors.Is(err, io.EOF) {
			os.Exit(4)
		}
		return r, err
	}
}

func (s *badStream) Send(e *pluginv1.ExecuteEvent) error {
	f, r := e.GetFailure(), e.GetResult()
	switch s.b.kind {
	case "no-ticks":
		if e.GetHeartbeat() != nil {
			return nil
		}
	case "vague":
		if f != nil {
			f.Message = "bad input"
		}
	case "retries-bad":
		if f != nil {
			f.NonRetryable = false
		}
	case "fails-cancelled":
		if f != nil {
			f.Canceled = false
		}
	case "lies-about-out":
		if r != nil {
			r.Output[0].Data = []byte(`{"said": 7}`)
		}
	case "speaks-twice":
		if err := s.BidiStreamingServer.Send(e); err != nil {
			return err
		}
	}
	return s.BidiStreamingServer.Send(e)
}

func (b *bad) Execute(stream grpc.BidiStreamingServer[pluginv1.ExecuteRequest, pluginv1.ExecuteEvent]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	fail := func(typ, message string) error {
		return stream.Send(&pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Failure{Failure: &pluginv1.Failure{Type: typ, Message: message, NonRetryable: true}}})
	}
	start := first.GetStart()
	var input string
	if len(start.GetInput()) > 0 {
		input = string(start.GetInput()[0].GetData())
	}
	switch {
	case b.kind == "starts-anything" && start == nil:
		return stream.Send(&pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Result{Result: &pluginv1.Result{}}})
	case b.kind == "crashes" && strings.HasPrefix(start.GetActivity(), "conformance"):
		panic("no such activity")
	case b.kind == "strict-input" && strings.Contains(input, strangeKey):
		return fail("UnknownField", "I do not know "+strangeKey)
	case b.kind == "one-at-a-time":
		if !b.one.TryLock() {
			os.Exit(5)
		}
		defer b.one.Unlock()
		time.Sleep(100 * time.Millisecond) // long enough for a second one to come
	case b.kind == "leaves-child":
		leaveChild()
	case b.kind == "drains-nothing" && b.calls.Add(1) > 1:
		return fail("Busy", "one is enough, for ever")
	}
	return b.Server.Execute(&badStream{BidiStreamingServer: stream, b: b, start: first})
}

// leaveChild starts a process in a session of its own that outlives the plugin.
func leaveChild() {
	c := exec.Command("sleep", "60")
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
