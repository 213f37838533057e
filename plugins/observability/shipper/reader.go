package shipper

import "bytes"

// reader turns the bytes of a chunk into records, one at a time.
type reader struct {
	parser parser
	body   []byte // docker: the assembled text
	probe  []byte
	clean  []byte
}

// next reads the record at data[pos:] and says where the following one begins. ok is false when it is not complete yet.
// part counts the pieces of a line that is being split; it belongs to the file and is carried from call to call.
func (r *reader) next(st *settings, s splitter, data []byte, pos int, part *int, rec *record) (next int, ok bool) {
	*rec = record{}
	whole := true
	switch {
	case st.format == Docker || st.format == DockerLocal:
		next, ok = r.docker(s, st.format == DockerLocal, st.multi, data, pos, rec)
	case st.multi != nil && *part == 0:
		rec.body, next, whole, ok = s.group(st.multi, data, pos)
	default:
		rec.body, next, whole, ok = s.next(data, pos)
	}
	if !ok {
		return pos, false
	}
	if len(rec.body) > 0 && rec.body[0] == 0 {
		rec.body = bytes.TrimLeft(rec.body, "\x00") // the rest of a hole that a truncation left
		if rec.hole = len(rec.body) == 0; rec.hole {
			return next, true
		}
	}
	if !whole || *part > 0 {
		*part++
		if rec.part = *part; whole {
			*part = 0
		}
	}
	rec.body, r.clean = validUTF8(rec.body, r.clean, s.max)
	if rec.part <= 1 {
		outer := rec.time // Docker's time has a zone and nanoseconds: better than what the text may carry
		r.parser.parse(st.format, rec.body, rec)
		if outer != 0 {
			rec.time = outer
		}
	}
	return next, true
}
