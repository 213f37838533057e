package shipper

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
)

// The checkpoint's format: one line "orch-shipper-checkpoint {header}", then header.Bytes bytes of JSON objects, one
// entry per line. What follows them is left over from an older, longer checkpoint. A new version of the format may be
// read by older code as long as header.MinReader does not exceed what that code knows.
const (
	checkpointMagic   = "orch-shipper-checkpoint "
	checkpointVersion = 1
	checkpointHead    = 256       // bytes that the header line takes, blanks at its end included
	checkpointPiece   = 128 << 10 // bytes of entries that are written at a time
)

type checkpointHeader struct {
	Version   int       `json:"version"`
	MinReader int       `json:"min_reader"`
	Seq       uint64    `json:"seq"`
	Saved     time.Time `json:"saved"`
	Entries   int       `json:"entries"`
	Bytes     int       `json:"bytes"`
	Sum       string    `json:"sum"` // xxhash64 of those bytes, hexadecimal
}

// entryState says why a file is in the checkpoint.
type entryState string

const (
	stateTailing  entryState = "tailing"  // the path leads to it
	stateRotated  entryState = "rotated"  // rotated away and not read to its end
	stateFinished entryState = "finished" // read to its end; kept so that it is not read again under another name
)

// entry is one file in the checkpoint.
type entry struct {
	Path   pathString `json:"path"`         // as given to AddFiles
	At     pathString `json:"at,omitempty"` // its own name when last seen
	Dev    uint64     `json:"dev"`
	Ino    uint64     `json:"ino"`
	Birth  int64      `json:"birth,omitempty"` // ns
	Head   digest     `json:"head"`
	Offset int64      `json:"offset"`
	Guard  digest     `json:"guard"`
	State  entryState `json:"state"`
	Seen   int64      `json:"seen"` // ns; when Path was last known to lead to it
}

func (e *entry) id() fileID { return fileID{e.Dev, e.Ino} }

func (e *entry) check() error {
	switch {
	case e.Path == "":
		return fmt.Errorf("no path")
	case e.Offset < 0 || e.Head.N < 0 || e.Head.N > fingerprintBytes || e.Guard.N < 0 || e.Guard.N > guardBytes || int64(e.Guard.N) > e.Offset:
		return fmt.Errorf("%s: offset %d, head %d, guard %d are not possible", e.Path, e.Offset, e.Head.N, e.Guard.N)
	case e.State != stateTailing && e.State != stateRotated && e.State != stateFinished:
		return fmt.Errorf("%s: state %q is unknown", e.Path, e.State)
	}
	return nil
}

// pathString is a path in JSON: a string, or {"hex": "..."} when it is not valid UTF-8.
type pathString string

func (p *pathString) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, (*string)(p))
	}
	var v struct {
		Hex string `json:"hex"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	raw, err := hex.DecodeString(v.Hex)
	*p = pathString(raw)
	return err
}

// appendTo appends what json.Marshal makes of the entry, without its garbage: there are as many as files.
func (e *entry) appendTo(b []byte) []byte {
	number := func(name string, v int64) { b = strconv.AppendInt(append(b, name...), v, 10) }
	id := func(name string, v uint64) { b = strconv.AppendUint(append(b, name...), v, 10) }
	b = e.Path.appendTo(append(b, `{"path":`...))
	if e.At != "" {
		b = e.At.appendTo(append(b, `,"at":`...))
	}
	id(`,"dev":`, e.Dev)
	id(`,"ino":`, e.Ino)
	if e.Birth != 0 {
		number(`,"birth":`, e.Birth)
	}
	number(`,"head":{"N":`, int64(e.Head.N))
	id(`,"Sum":`, e.Head.Sum)
	number(`},"offset":`, e.Offset)
	number(`,"guard":{"N":`, int64(e.Guard.N))
	id(`,"Sum":`, e.Guard.Sum)
	b = jsonString(append(b, `},"state":`...), string(e.State))
	number(`,"seen":`, e.Seen)
	return append(b, '}', '\n')
}

func (p pathString) appendTo(b []byte) []byte {
	if utf8.ValidString(string(p)) {
		return jsonString(b, string(p))
	}
	b = hex.AppendEncode(append(b, `{"hex":"`...), []byte(p))
	return append(b, `"}`...)
}

// writeCheckpoint writes a checkpoint with the given entries and returns its size. The entries come first and in pieces
// of buf's size, so that they are never all in memory; the header, which has their sum, comes last.
func writeCheckpoint(w io.WriterAt, buf []byte, seq uint64, saved time.Time, entries []entry) (size int64, err error) {
	sum, body := xxhash.New(), 0
	buf = buf[:0]
	for i := range entries {
		buf = entries[i].appendTo(buf)
		if len(buf) < checkpointPiece && i < len(entries)-1 {
			continue
		}
		_, _ = sum.Write(buf) // never fails
		if _, err := w.WriteAt(buf, checkpointHead+int64(body)); err != nil {
			return 0, err
		}
		body, buf = body+len(buf), buf[:0]
	}
	head, err := json.Marshal(checkpointHeader{Version: checkpointVersion, MinReader: 1, Seq: seq, Saved: saved.UTC(),
		Entries: len(entries), Bytes: body, Sum: strconv.FormatUint(sum.Sum64(), 16)})
	if err == nil && len(checkpointMagic)+len(head) >= checkpointHead {
		err = fmt.Errorf("%d bytes are too many", len(head))
	}
	if err != nil {
		return 0, fmt.Errorf("encode checkpoint header: %w", err)
	}
	line := bytes.Repeat([]byte{' '}, checkpointHead)
	copy(line[copy(line, checkpointMagic):], head)
	line[checkpointHead-1] = '\n'
	_, err = w.WriteAt(line, 0)
	return checkpointHead + int64(body), err
}

// decodeCheckpoint reads a checkpoint and refuses one that is damaged in any way.
func decodeCheckpoint(b []byte) (h checkpointHeader, entries []entry, err error) {
	rest, ok := bytes.CutPrefix(b, []byte(checkpointMagic))
	if !ok {
		return h, nil, fmt.Errorf("does not begin with %q", checkpointMagic)
	}
	line, body, ok := bytes.Cut(rest, []byte("\n"))
	if !ok {
		return h, nil, fmt.Errorf("header is cut off")
	}
	if err := json.Unmarshal(line, &h); err != nil {
		return h, nil, fmt.Errorf("header: %w", err)
	}
	if h.MinReader > checkpointVersion {
		return h, nil, fmt.Errorf("was written in format %d, which this version cannot read (it reads up to %d): use the version that wrote it", h.Version, checkpointVersion)
	}
	if h.Bytes < 0 || h.Bytes > len(body) {
		return h, nil, fmt.Errorf("holds %d of %d bytes", len(body), h.Bytes)
	}
	body = body[:h.Bytes]
	if sum := strconv.FormatUint(xxhash.Sum64(body), 16); sum != h.Sum {
		return h, nil, fmt.Errorf("checksum is %s, want %s", sum, h.Sum)
	}
	for len(body) > 0 {
		line, after, _ := bytes.Cut(body, []byte("\n"))
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return h, nil, fmt.Errorf("entry %d: %w", len(entries), err)
		}
		if err := e.check(); err != nil {
			return h, nil, fmt.Errorf("entry %d: %w", len(entries), err)
		}
		entries, body = append(entries, e), after
	}
	if len(entries) != h.Entries {
		return h, nil, fmt.Errorf("holds %d entries, want %d", len(entries), h.Entries)
	}
	return h, entries, nil
}
