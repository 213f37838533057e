package plugin

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"github.com/orch-host/orch/hostcore/proc"
	"github.com/orch-host/orch/sdk/pluginv1"
)

// rawCodec sends bytes as they are: a plugin may send anything.
type rawCodec struct{}

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}
func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*(v.(*[]byte)) = data.Materialize()
	return nil
}
func (rawCodec) Name() string { return "proto" }

// peer is a plugin that answers Describe with one text and Execute with a row
// of others.
type peer struct {
	conn   *grpc.ClientConn
	done   chan struct{}
	frames [][]byte
}

func (p *peer) Conn() *grpc.ClientConn                    { return p.conn }
func (p *peer) Pid() int                                  { return 1 }
func (p *peer) Started() time.Time                        { return time.Time{} }
func (p *peer) Done() <-chan struct{}                     { return p.done }
func (p *peer) ExitState() *proc.ExitError                { return nil }
func (p *peer) Stop(context.Context, time.Duration) error { return nil }

func newPeer(t testing.TB, manifest []byte, frames [][]byte) *peer {
	t.Helper()
	p := &peer{done: make(chan struct{}), frames: frames}
	close(p.done) // an error is explained without waiting for an exit
	l := bufconn.Listen(1 << 20)
	server := grpc.NewServer(grpc.ForceServerCodecV2(rawCodec{}), grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		var request []byte
		if err := s.RecvMsg(&request); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		method, _ := grpc.MethodFromServerStream(s)
		answers := [][]byte{manifest}
		if method == pluginv1.Plugin_Execute_FullMethodName {
			answers = p.frames
		}
		for _, a := range answers {
			if err := s.SendMsg(a); err != nil {
				return err
			}
		}
		return nil
	}))
	go func() { _ = server.Serve(l) }() // ends with Stop
	conn, err := grpc.NewClient("passthrough:///fuzz", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	p.conn = conn
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
	})
	return p
}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func goodManifest() *pluginv1.Manifest {
	return &pluginv1.Manifest{Name: "a", Group: "a", Version: "1.0.0", Activities: []*pluginv1.ActivitySpec{
		{Name: "x", InputSchema: []byte(`{"type":"object","properties":{"n":{}},"required":["n"]}`), OutputSchema: []byte(`true`)},
	}}
}

// FuzzManifest wants that whatever a plugin says of itself is accepted as
// something that the host can work with, or refused with an error.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(marshal(f, goodManifest()))
	bad := goodManifest()
	bad.Version, bad.ConfigSchema = "one", []byte("{")
	f.Add(marshal(f, bad))
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, data []byte) {
		i, err := Connect(t.Context(), newPeer(t, data, nil), Binary{Source: "fuzzed"})
		if err != nil {
			return
		}
		if i.Label() == "" || Version(i.Manifest) == nil || len(i.Manifest.GetActivities()) == 0 {
			t.Errorf("accepted %v", i.Manifest)
		}
		if err := CheckManifest(i.Manifest); err != nil {
			t.Errorf("accepted what it refuses: %v", err)
		}
	})
}

type countEvents struct{ n int }

func (c *countEvents) Heartbeat([]*pluginv1.Payload) { c.n++ }
func (c *countEvents) Log(*pluginv1.Log)             { c.n++ }
func (c *countEvents) Progress(*pluginv1.Progress)   { c.n++ }

// FuzzFrames wants a verdict of every attempt, whatever the plugin sends. The
// bytes are cut into messages at each length that they name.
func FuzzFrames(f *testing.F) {
	frames := func(events ...*pluginv1.ExecuteEvent) []byte {
		var all []byte
		for _, e := range events {
			data := marshal(f, e)
			all = append(append(all, byte(len(data))), data...)
		}
		return all
	}
	result := &pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Result{Result: &pluginv1.Result{Output: []*pluginv1.Payload{{Data: []byte("1")}}}}}
	beat := &pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Heartbeat{Heartbeat: &pluginv1.Heartbeat{}}}
	failure := &pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Failure{Failure: &pluginv1.Failure{Message: "no", Cause: &pluginv1.Failure{}}}}
	f.Add([]byte(nil))
	f.Add(frames(result))
	f.Add(frames(beat, beat, failure))
	f.Add(frames(&pluginv1.ExecuteEvent{}, result, result))
	f.Add([]byte{3, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		var messages [][]byte
		for len(data) > 0 {
			n := min(int(data[0]), len(data)-1)
			messages, data = append(messages, data[1:1+n]), data[1+n:]
		}
		i, err := Connect(t.Context(), newPeer(t, marshal(t, goodManifest()), messages), Binary{Source: "fuzzed"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		never := context.Background()
		got, err := i.Execute(ctx, never, &pluginv1.Start{Activity: "x"}, func() (pluginv1.Cancel_Reason, time.Duration) { return pluginv1.Cancel_REQUESTED, time.Second }, &countEvents{})
		if (got == nil) == (err == nil) {
			t.Errorf("want a result or an error, got %v, %v", got, err)
		}
		if ctx.Err() != nil {
			t.Error("it hung")
		}
	})
}
