package shipper

import (
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"
)

// dockerLine is one entry of Docker's json-file or local driver: a line, or a
// piece of one that is longer than 16 KB.
type dockerLine struct {
	log    []byte // of json-file still escaped, with its line end
	plain  bool   // of local: the text itself
	piece  bool   // of local: the line goes on in the next entry
	stream string
	time   int64
}

// maxFrame bounds what the local driver writes as one entry; more is no frame.
const maxFrame = 1 << 20

// dockerNext reads the entry at data[pos:]. is tells whether it is one; else
// line is what is to be shipped as it stands.
func (r *reader) dockerNext(s splitter, local bool, data []byte, pos int) (d dockerLine, line []byte, after int, is, ok bool) {
	if local {
		frame, after, found := nextFrame(data, pos)
		switch {
		case found && frame != nil:
			d, is = parseFrame(frame)
			return d, frame, after, is, true
		case found && !s.flush:
			return d, nil, pos, false, false // its end has not been read yet
		}
	}
	line, after, whole, ok := s.next(data, pos)
	if !ok || local {
		return d, line, after, false, ok
	}
	d, is = r.parser.dockerLine(line)
	return d, line, after, is && whole, true
}

// nextFrame cuts the entry at data[pos:]: its length in four bytes, itself, and
// its length again (github.com/moby/moby, daemon/logger/local). frame is nil
// when the end has not been read; found is false when no entry begins there.
func nextFrame(data []byte, pos int) (frame []byte, after int, found bool) {
	rest := data[pos:]
	if len(rest) < 4 {
		return nil, pos, true
	}
	n := int(binary.BigEndian.Uint32(rest))
	if n > maxFrame {
		return nil, pos, false
	}
	if len(rest) < 8+n {
		return nil, pos, true
	}
	if int(binary.BigEndian.Uint32(rest[4+n:])) != n {
		return nil, pos, false
	}
	return rest[4 : 4+n : 4+n], pos + 8 + n, true
}

// parseFrame decodes a LogEntry: source 1, time_nano 2, line 3, partial 4.
func parseFrame(b []byte) (d dockerLine, ok bool) {
	d.plain = true
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return d, false
		}
		b = b[n:]
		switch {
		case num == 2 && typ == protowire.VarintType:
			v, m := protowire.ConsumeVarint(b)
			d.time, n = int64(v), m
		case num == 4 && typ == protowire.VarintType:
			v, m := protowire.ConsumeVarint(b)
			d.piece, n = v != 0, m
		case (num == 1 || num == 3) && typ == protowire.BytesType:
			v, m := protowire.ConsumeBytes(b)
			if n = m; num == 3 {
				d.log = v
			} else if string(v) == "stdout" {
				d.stream = "stdout"
			} else if string(v) == "stderr" {
				d.stream = "stderr"
			}
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return d, false
		}
		b = b[n:]
	}
	return d, true
}

// appendTo adds the text, with a line end when the line ends here.
func (d dockerLine) appendTo(body []byte) []byte {
	if !d.plain {
		return unescape(body, d.log)
	}
	if body = append(body, d.log...); !d.piece {
		body = append(body, '\n')
	}
	return body
}

// dockerLine decodes {"log":"...\n","stream":"stdout","time":"..."}; ok is false when the line is something else.
func (p *parser) dockerLine(line []byte) (d dockerLine, ok bool) {
	found := false
	valid := eachMember(line, func(m member) bool {
		switch string(m.key) {
		case "log":
			if m.str {
				d.log, found = m.value, true
			}
		case "stream":
			switch string(m.value) {
			case "stdout":
				d.stream = "stdout"
			case "stderr":
				d.stream = "stderr"
			}
		case "time":
			d.time, _ = p.clock.rfc3339(m.value)
		}
		return true
	})
	return d, valid && found
}

// ends says whether the log text ends with a line end; Docker cuts longer lines at 16 KB, and those pieces do not.
func (d dockerLine) ends() bool {
	if d.plain {
		return !d.piece
	}
	n := len(d.log)
	if n < 2 || d.log[n-1] != 'n' {
		return false
	}
	slashes := 0
	for i := n - 2; i >= 0 && d.log[i] == '\\'; i-- {
		slashes++
	}
	return slashes%2 == 1
}

// docker assembles the record at data[pos:]: pieces of one long line are joined, then lines by multiline if it is set.
func (r *reader) docker(s splitter, local bool, multi *multiline, data []byte, pos int, rec *record) (next int, ok bool) {
	r.body = r.body[:0]
	lines, joining := 0, false // joining: the line before was a piece
	for next = pos; ; {
		d, line, after, isDocker, ok := r.dockerNext(s, local, data, next)
		if !ok {
			if s.flush && next > pos && next == len(data) {
				break
			}
			return pos, false
		}
		if !isDocker { // not this format: ship it as it stands, after what was gathered
			if next > pos {
				break
			}
			rec.body = line
			return after, true
		}
		if next > pos {
			if rec.stream != d.stream || (!joining && r.startsRecord(multi, d)) {
				break
			}
			if lines >= multi.lines() || len(r.body)+len(d.log) > multi.bytes(s.max) {
				break
			}
			if !joining {
				r.body = append(r.body, '\n')
			}
		} else {
			rec.stream, rec.time = d.stream, d.time
		}
		r.body = d.appendTo(r.body)
		next, joining = after, !d.ends()
		if !joining {
			r.body = r.body[:len(r.body)-1]
			if lines++; multi == nil {
				break
			}
		}
	}
	rec.body = trimCR(r.body)
	return next, true
}

func (r *reader) startsRecord(m *multiline, d dockerLine) bool {
	if m == nil {
		return true
	}
	r.probe = d.appendTo(r.probe[:0])
	return m.start.Match(r.probe)
}

func (m *multiline) lines() int {
	if m == nil {
		return 1 << 30 // only pieces of one line are joined
	}
	return m.maxLines
}

func (m *multiline) bytes(max int) int {
	if m == nil {
		return max
	}
	return m.maxBytes
}
