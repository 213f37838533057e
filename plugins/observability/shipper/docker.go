package shipper

// dockerLine is one line of Docker's json-file driver.
type dockerLine struct {
	log    []byte // still escaped
	stream string
	time   int64
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
func (r *reader) docker(s splitter, multi *multiline, data []byte, pos int, rec *record) (next int, ok bool) {
	r.body = r.body[:0]
	lines, joining := 0, false // joining: the line before was a piece
	for next = pos; ; {
		line, after, whole, ok := s.next(data, next)
		if !ok {
			if s.flush && next > pos && next == len(data) {
				break
			}
			return pos, false
		}
		d, isDocker := r.parser.dockerLine(line)
		if !whole || !isDocker { // not this format: ship it as it stands, after what was gathered
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
		r.body = unescape(r.body, d.log)
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
	r.probe = unescape(r.probe[:0], d.log)
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
