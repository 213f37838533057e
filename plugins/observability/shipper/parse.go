package shipper

import (
	"bytes"
	"time"
)

// record is one log record as it was read. Its slices point into buffers that the next record overwrites.
type record struct {
	body         []byte
	time         int64 // ns; 0: the line carries none
	severity     uint8 // OTLP number; 0: unknown
	severityText []byte
	stream       string // docker: stdout or stderr
	part         int    // from 1 on for the pieces of a line that was split
	hole         bool   // nothing but NUL bytes, where a truncation left a hole
	original     int64  // ns; the line's own time when it was too old to be sent under it
}

// parser finds time and severity.
type parser struct {
	clock clock
	now   time.Time // set by the caller once per chunk
}

func (p *parser) parse(f Format, line []byte, r *record) {
	switch f {
	case Plain:
	case JSONLog:
		p.json(line, r)
	case Syslog:
		p.syslog(line, r)
	case RFC3339:
		p.leading(line, r)
	default:
		p.auto(line, r)
	}
}

func (p *parser) auto(line []byte, r *record) {
	if len(line) == 0 {
		return
	}
	switch c := line[0]; {
	case isDigit(c):
		p.leading(line, r)
	case c == '{':
		p.json(line, r)
	case c == '<':
		p.syslog(line, r)
	case c >= 'A' && c <= 'S' && len(line) > 3 && line[3] == ' ' && month(line) != 0:
		p.syslog(line, r)
	default:
		p.leading(line, r)
	}
}

// leading parses [2026-01-02 03:04:05,678] LEVEL ..., and logfmt's time=... level=...
func (p *parser) leading(line []byte, r *record) {
	i := 0
	if len(line) > 0 && !isDigit(line[0]) {
		switch {
		case line[0] == '[':
			i = 1
		case bytes.HasPrefix(line, []byte("time=")):
			i = 5
		case bytes.HasPrefix(line, []byte("ts=")):
			i = 3
		}
		if i < len(line) && line[i] == '"' {
			i++
		}
	}
	ns, n := p.clock.rfc3339(line[i:])
	if n > 0 {
		r.time = ns
	} else {
		i = 0
	}
	r.severity, r.severityText = findSeverity(line[i+n:])
}

func (p *parser) syslog(line []byte, r *record) {
	rest := line
	if len(rest) > 0 && rest[0] == '<' {
		pri, i := 0, 1
		for ; i < len(rest) && i < 5 && isDigit(rest[i]); i++ {
			pri = pri*10 + int(rest[i]-'0')
		}
		if i == 1 || i >= len(rest) || rest[i] != '>' || pri > 191 {
			return
		}
		sev := syslogSeverity[pri%8]
		r.severity, r.severityText = sev.number, []byte(sev.text)
		rest = rest[i+1:]
	}
	if len(rest) > 2 && rest[0] == '1' && rest[1] == ' ' { // RFC 5424 has a version
		rest = rest[2:]
	}
	ns, n := p.clock.rfc3339(rest)
	if n == 0 {
		ns, n = p.clock.bsd(rest, p.now)
	}
	if n > 0 {
		r.time = ns
	}
	if r.severity == 0 {
		r.severity, r.severityText = findSeverity(rest[n:])
	}
}

func (p *parser) json(line []byte, r *record) {
	var ns int64
	var sev uint8
	var text []byte
	if !eachMember(line, func(m member) bool {
		switch string(m.key) {
		case "time", "ts", "timestamp", "@timestamp", "t", "@t", "datetime":
			if ns == 0 {
				ns = p.jsonTime(m)
			}
		case "level", "severity", "lvl", "log.level", "levelname", "loglevel", "@l", "severity_text":
			if sev == 0 {
				if sev, text = severityOf(m.value), m.value; !m.str {
					if n, ok := smallInt(m.value); ok {
						sev = numericSeverity(n)
					}
				}
			}
		}
		return ns == 0 || sev == 0
	}) {
		return // not JSON after all: a line must not get half a meaning
	}
	if r.time = ns; sev != 0 {
		r.severity, r.severityText = sev, text
	}
}

func (p *parser) jsonTime(m member) int64 {
	if m.str {
		if ns, n := p.clock.rfc3339(m.value); n == len(m.value) {
			return ns
		}
	}
	ns, _ := epoch(m.value)
	return ns
}

func smallInt(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 3 {
		return 0, false
	}
	for _, c := range b {
		if !isDigit(c) {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
