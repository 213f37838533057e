package ready

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// The Bolt handshake (Neo4j, "Bolt Protocol handshake specification"): the
// client sends the magic preamble and four proposals of four bytes each,
// (reserved, range, minor, major); the server answers with the version that it
// chose, or zeros. A range of n also offers the n minor versions below.
const boltMagic = 0x6060B017

var boltProposals = [4][4]byte{
	{0, 8, 8, 5}, // 5.8 to 5.0
	{0, 2, 4, 4}, // 4.4 to 4.2
	{0, 0, 1, 4}, // 4.1
	{0, 0, 0, 3}, // 3
}

// Bolt is content when the server at addr (host:port) agrees on a version of
// the Bolt protocol.
func Bolt(addr string) Probe {
	return func(ctx context.Context) error {
		conn, err := dial(ctx, addr)
		if err != nil {
			return fmt.Errorf("bolt: %w", err)
		}
		defer conn.Close()
		if deadline, ok := ctx.Deadline(); ok {
			if err := conn.SetDeadline(deadline); err != nil {
				return fmt.Errorf("bolt at %s: %w", addr, err)
			}
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
		defer stop()
		hello := binary.BigEndian.AppendUint32(nil, boltMagic)
		for _, p := range boltProposals {
			hello = append(hello, p[:]...)
		}
		if _, err := conn.Write(hello); err != nil {
			return fmt.Errorf("bolt at %s: send the handshake: %w", addr, err)
		}
		var answer [4]byte
		if _, err := io.ReadFull(conn, answer[:]); err != nil {
			return fmt.Errorf("bolt at %s: no answer to the handshake: %w", addr, err)
		}
		switch {
		case answer == [4]byte{}:
			return fmt.Errorf("bolt at %s: the server speaks none of Bolt 5.0-5.8, 4.1-4.4 and 3", addr)
		case string(answer[:]) == "HTTP":
			return fmt.Errorf("bolt at %s: this is an HTTP port", addr)
		case !proposed(answer):
			return fmt.Errorf("bolt at %s: the server chose %d.%d, which was not offered", addr, answer[3], answer[2])
		}
		return nil
	}
}

// proposed tells whether the version is within one of the proposals.
func proposed(v [4]byte) bool {
	for _, p := range boltProposals {
		if v[0] == 0 && v[1] == 0 && v[3] == p[3] && v[2] <= p[2] && v[2] >= p[2]-p[1] {
			return true
		}
	}
	return false
}
