package shipper

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// member is one top-level member of a JSON object. Strings come without their quotes and still escaped.
type member struct {
	key, value []byte
	str        bool // the value is a string
}

// eachMember walks over the top-level members of the JSON object in b, without allocating. It says whether b is an
// object that is well-formed as far as it was walked; fn returning false ends the walk.
func eachMember(b []byte, fn func(member) bool) bool {
	i := skipSpace(b, 0)
	if i >= len(b) || b[i] != '{' {
		return false
	}
	i = skipSpace(b, i+1)
	for i < len(b) && b[i] != '}' {
		var m member
		end := stringEnd(b, i)
		if end < 0 {
			return false
		}
		m.key = b[i+1 : end]
		if i = skipSpace(b, end+1); i >= len(b) || b[i] != ':' {
			return false
		}
		i = skipSpace(b, i+1)
		if end = valueEnd(b, i); end < 0 {
			return false
		}
		if m.value = b[i:end]; b[i] == '"' {
			m.value, m.str = b[i+1:end-1], true
		}
		if !fn(m) {
			return true
		}
		if i = skipSpace(b, end); i < len(b) && b[i] == ',' {
			i = skipSpace(b, i+1)
		} else if i >= len(b) || b[i] != '}' {
			return false
		}
	}
	return i < len(b)
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}

// stringEnd is the index of the quote that closes the string opened at b[i], -1 if there is none.
func stringEnd(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	for i++; ; {
		q := bytes.IndexByte(b[i:], '"')
		if q < 0 {
			return -1
		}
		slashes := 0
		for k := i + q - 1; k >= i && b[k] == '\\'; k-- {
			slashes++
		}
		i += q
		if slashes%2 == 0 {
			return i
		}
		i++
	}
}

// valueEnd is the index after the value that begins at b[i], -1 if it does not end.
func valueEnd(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		if end := stringEnd(b, i); end >= 0 {
			return end + 1
		}
		return -1
	case '{', '[':
		for depth := 0; i < len(b); i++ {
			switch b[i] {
			case '"':
				if i = stringEnd(b, i); i < 0 {
					return -1
				}
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
		return -1
	}
	start := i
	for i < len(b) && b[i] > ' ' && b[i] != ',' && b[i] != '}' && b[i] != ']' {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

// unescape appends the text of an escaped JSON string. What is not a valid escape is kept as it stands.
func unescape(dst, s []byte) []byte {
	for {
		i := bytes.IndexByte(s, '\\')
		if i < 0 || i+1 >= len(s) {
			return append(dst, s...)
		}
		dst, s = append(dst, s[:i]...), s[i:]
		n := 2
		switch c := s[1]; c {
		case '"', '\\', '/':
			dst = append(dst, c)
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			var r rune
			if r, n = unicodeEscape(s); n == 0 {
				dst, n = append(dst, s[:2]...), 2
			} else {
				dst = utf8.AppendRune(dst, r)
			}
		default:
			dst = append(dst, s[:2]...)
		}
		s = s[n:]
	}
}

func unicodeEscape(s []byte) (rune, int) {
	r, ok := hex4(s)
	if !ok {
		return 0, 0
	}
	if utf16.IsSurrogate(r) {
		if r2, ok := hex4(s[6:]); ok {
			if full := utf16.DecodeRune(r, r2); full != utf8.RuneError {
				return full, 12
			}
		}
		return utf8.RuneError, 6
	}
	return r, 6
}

func hex4(s []byte) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range s[2:6] {
		switch {
		case isDigit(c):
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
