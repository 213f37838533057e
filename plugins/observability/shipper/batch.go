package shipper

import "time"

// encoder is the body format: protoEncoder or jsonEncoder.
type encoder interface {
	contentType() string
	record(b []byte, r *record, observed int64) (out []byte, body, bodyLen int)
	frame(head []byte, st *settings, records int) (before, after []byte)
	envelope() (before, between, after string)
	separator() int // bytes that a record begins with to part it from the one before
	text(body []byte) string
}

// batch is what becomes one request: encoded records, and how far they take each file. A fixed number of batches exist.
type batch struct {
	seq      uint64
	enc      encoder
	buf      []byte
	records  []recordRef
	sections []section
	spans    []span
	aside    []setAside // records that were never meant to be sent
	begun    time.Time
}

type recordRef struct {
	start, body, bodyLen uint32
	offset               int64 // in the file, of the record's first byte
}

// section is a run of records with one resource.
type section struct {
	first int // index into records
	st    *settings
}

// span says that the batch, with those before it, holds everything of a file up to an offset.
type span struct {
	inc   *incarnation
	end   int64
	guard digest
	lines int
	bytes int64
}

func (b *batch) reset() {
	clear(b.sections)
	clear(b.spans)
	clear(b.aside)
	b.buf, b.records, b.sections, b.spans, b.aside = b.buf[:0], b.records[:0], b.sections[:0], b.spans[:0], b.aside[:0]
}

func (b *batch) empty() bool { return len(b.spans) == 0 && len(b.aside) == 0 }

func (b *batch) add(st *settings, r *record, offset, observed int64) {
	if n := len(b.sections); n == 0 || b.sections[n-1].st != st {
		b.sections = append(b.sections, section{len(b.records), st})
	}
	start := len(b.buf)
	var body, n int
	b.buf, body, n = b.enc.record(b.buf, r, observed)
	b.records = append(b.records, recordRef{uint32(start), uint32(body), uint32(n), offset})
}

// reached notes how far the batch takes a file.
func (b *batch) reached(inc *incarnation, end int64, g digest, lines int, bytes int64) {
	if n := len(b.spans); n > 0 && b.spans[n-1].inc == inc {
		s := &b.spans[n-1]
		s.end, s.guard, s.lines, s.bytes = end, g, s.lines+lines, s.bytes+bytes
		return
	}
	b.spans = append(b.spans, span{inc, end, g, lines, bytes})
}

func (b *batch) recordEnd(i int) int {
	if i+1 < len(b.records) {
		return int(b.records[i+1].start)
	}
	return len(b.buf)
}

// sectionOf is the index of the section that record i is in.
func (b *batch) sectionOf(i int) int {
	lo, hi := 0, len(b.sections)
	for lo+1 < hi {
		if mid := (lo + hi) / 2; b.sections[mid].first <= i {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}
