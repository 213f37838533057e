package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/emptypb"
)

// MaxMessage is the largest message in either direction, in bytes, as the wire
// contract has it. 64 KB more leave room for the envelope of a full payload.
const MaxMessage = 64<<20 + 64<<10

// windowSize lets a large payload flow without waiting for window updates.
const windowSize = 4 << 20

// dialer remembers why it could not connect: gRPC only says that it has not.
type dialer struct {
	path string
	err  atomic.Pointer[error]
}

func (d *dialer) dial(ctx context.Context, _ string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", d.path)
	if err != nil {
		d.err.Store(&err)
		return nil, err
	}
	d.err.Store(nil)
	return conn, nil
}

// why is the reason for a connection that does not come about.
func (d *dialer) why() error {
	if err := d.err.Load(); err != nil {
		return *err
	}
	return errors.New("it accepts connections, but does not answer as a gRPC server")
}

func newConn(d *dialer, extra []grpc.DialOption) (*grpc.ClientConn, error) {
	opts := append([]grpc.DialOption{
		grpc.WithContextDialer(d.dial),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
		grpc.WithAuthority("orch-plugin"),
		grpc.WithIdleTimeout(0),
		grpc.WithInitialWindowSize(windowSize),
		grpc.WithInitialConnWindowSize(2 * windowSize),
		grpc.WithReadBufferSize(64 << 10),
		grpc.WithWriteBufferSize(64 << 10),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxMessage), grpc.MaxCallSendMsgSize(MaxMessage)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
	}, extra...)
	conn, err := grpc.NewClient("passthrough:///"+d.path, opts...)
	if err != nil {
		return nil, fmt.Errorf("set up its connection: %w", err)
	}
	return conn, nil
}

// awaitReady returns when the connection serves, or with ctx's end.
func awaitReady(ctx context.Context, conn *grpc.ClientConn) error {
	conn.Connect()
	for {
		state := conn.GetState()
		if state == connectivity.Ready {
			return nil
		}
		if !conn.WaitForStateChange(ctx, state) {
			return context.Cause(ctx)
		}
	}
}

// followStdio copies what a plugin built on go-plugin's server prints after it
// serves: that server puts os.Stdout and os.Stderr behind a stream, and a print
// would block when nobody reads it. A plugin without the service ends the call
// at once. The messages are read as unknown fields, go-plugin keeps its types
// internal: channel (1: stdout, 2: stderr) = 1, data = 2.
func followStdio(ctx context.Context, conn *grpc.ClientConn, stdout, stderr io.Writer) {
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/plugin.GRPCStdio/StreamStdio")
	if err != nil {
		return
	}
	if stream.SendMsg(&emptypb.Empty{}) != nil || stream.CloseSend() != nil {
		return
	}
	for {
		var msg emptypb.Empty
		if stream.RecvMsg(&msg) != nil {
			return
		}
		channel, data := parseStdio(msg.ProtoReflect().GetUnknown())
		switch channel {
		case 1:
			_, _ = stdout.Write(data)
		case 2:
			_, _ = stderr.Write(data)
		}
	}
}

func parseStdio(raw []byte) (channel uint64, data []byte) {
	for len(raw) > 0 {
		num, typ, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return channel, data
		}
		raw = raw[n:]
		switch {
		case num == 1 && typ == protowire.VarintType:
			channel, n = protowire.ConsumeVarint(raw)
		case num == 2 && typ == protowire.BytesType:
			data, n = protowire.ConsumeBytes(raw)
		default:
			n = protowire.ConsumeFieldValue(num, typ, raw)
		}
		if n < 0 {
			return channel, data
		}
		raw = raw[n:]
	}
	return channel, data
}
