package main

import (
	"encoding/binary"
	"errors"
	"io"
	"log"
	"net"
	"time"
)

const (
	boltMagic = 0x6060B017
	notNeo4j  = "this is a stand-in for Neo4j: it answers readiness checks and stores no graph"
)

// serveBolt answers handshakes until the listener is closed.
func serveBolt(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			if err := boltSession(conn); err != nil && !errors.Is(err, io.EOF) {
				log.Printf("bolt %s: %v", conn.RemoteAddr(), err)
			}
		}()
	}
}

// boltSession negotiates a version ("Bolt Protocol handshake specification")
// and answers each message that follows with a FAILURE.
func boltSession(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	var hello [20]byte
	if _, err := io.ReadFull(conn, hello[:]); err != nil {
		return err
	}
	if binary.BigEndian.Uint32(hello[:]) != boltMagic {
		return nil // not Bolt: closed, as Neo4j does
	}
	version := choose(hello[4:])
	if _, err := conn.Write(version[:]); err != nil || version == [4]byte{} {
		return err
	}
	for {
		if err := skipMessage(conn); err != nil {
			return err
		}
		if _, err := conn.Write(failureMessage()); err != nil {
			return err
		}
	}
}

// choose takes the first proposal with a version between 5.4 and 5.0, or 4.4.
func choose(proposals []byte) (version [4]byte) {
	for ; len(proposals) >= 4; proposals = proposals[4:] {
		span, minor, major := proposals[1], proposals[2], proposals[3]
		for m := int(minor); m >= int(minor)-int(span) && m >= 0; m-- {
			if (major == 5 && m <= 4) || (major == 4 && m == 4) {
				return [4]byte{0, 0, byte(m), major}
			}
		}
	}
	return version
}

// skipMessage reads one message: chunks with a two-byte length, up to an empty one.
func skipMessage(r io.Reader) error {
	for some := false; ; {
		var size [2]byte
		if _, err := io.ReadFull(r, size[:]); err != nil {
			return err
		}
		n := binary.BigEndian.Uint16(size[:])
		if n == 0 && some {
			return nil
		}
		some = some || n > 0
		if _, err := io.CopyN(io.Discard, r, int64(n)); err != nil {
			return err
		}
	}
}

// failureMessage is FAILURE {code, message} in PackStream, as one chunk.
func failureMessage() []byte {
	text := func(s string) []byte {
		return append([]byte{0xD0, byte(len(s))}, s...) // String8
	}
	body := []byte{0xB1, 0x7F, 0xA2}
	for _, s := range []string{"code", "Neo.ClientError.Statement.NotImplemented", "message", notNeo4j} {
		body = append(body, text(s)...)
	}
	msg := binary.BigEndian.AppendUint16(nil, uint16(len(body)))
	return append(append(msg, body...), 0, 0)
}
