package shipper

import (
	"bytes"
	"unicode/utf8"
)

// splitter cuts lines out of a chunk. It holds no data of its own: what is not cut is read again later.
type splitter struct {
	max   int  // longest piece in bytes
	flush bool // a last line without line end counts as complete
}

// next returns the line that begins at data[pos:] without its line end, and where the following one begins. A line
// longer than max is cut into pieces at character borders; whole is false for every piece but the last. ok is false
// when the line's end has not been read yet.
func (s splitter) next(data []byte, pos int) (line []byte, next int, whole, ok bool) {
	rest := data[pos:]
	if len(rest) == 0 {
		return nil, pos, false, false
	}
	i := bytes.IndexByte(rest, '\n')
	switch {
	case i >= 0 && i <= s.max:
		return trimCR(rest[:i]), pos + i + 1, true, true
	case i > s.max || len(rest) > s.max:
		cut := charBorder(rest, s.max)
		return rest[:cut], pos + cut, false, true
	case s.flush:
		return trimCR(rest), len(data), true, true
	}
	return nil, pos, false, false
}

func trimCR(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\r' {
		return b[:n-1]
	}
	return b
}

// charBorder is the last place at or before max where b can be cut without splitting a UTF-8 character.
func charBorder(b []byte, max int) int {
	for cut := max; cut > max-utf8.UTFMax && cut > 0; cut-- {
		if utf8.RuneStart(b[cut]) {
			return cut
		}
	}
	return max
}

// group returns the multi-line record that begins at data[pos:]: the first line and those after it up to the next that
// matches start. ok is false when its end has not been read yet and flush is not set.
func (s splitter) group(m *multiline, data []byte, pos int) (rec []byte, next int, whole, ok bool) {
	first, end, whole, ok := s.next(data, pos)
	if !ok || !whole {
		return first, end, whole, ok
	}
	last := pos + len(first)
	for lines := 1; lines < m.maxLines; lines++ {
		line, after, full, ok := s.next(data, end)
		if !ok {
			if s.flush && end == len(data) {
				break
			}
			return nil, pos, false, false
		}
		if m.start.Match(line) || after-pos > m.maxBytes {
			break
		}
		if !full {
			break
		}
		last, end = end+len(line), after
	}
	return data[pos:last], end, true, true
}

// validUTF8 returns b, or a copy in scratch with every invalid byte replaced: by U+FFFD, or, where that would make the
// text longer than max bytes, by '?'.
func validUTF8(b, scratch []byte, max int) (clean, buf []byte) {
	if utf8.Valid(b) {
		return b, scratch
	}
	mark := "\uFFFD"
	if len(b) > max/len(mark) && len(b)+2*invalidBytes(b) > max {
		mark = "?"
	}
	scratch = scratch[:0]
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			scratch = append(scratch, mark...)
		} else {
			scratch = append(scratch, b[:n]...)
		}
		b = b[n:]
	}
	return scratch, scratch
}

func invalidBytes(b []byte) (count int) {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			count++
		}
		b = b[n:]
	}
	return count
}
