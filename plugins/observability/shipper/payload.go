package shipper

import (
	"io"
	"io/fs"
	"sync"
)

// payload is a request body in pieces that point into a batch.
type payload struct {
	pieces [][]byte
	head   []byte
	size   int
	inUse  sync.WaitGroup // readers that net/http has not closed yet
}

// compose lists the pieces of a request with the records from..to-1 of b.
func (p *payload) compose(b *batch, from, to int) {
	p.pieces, p.size = p.pieces[:0], 0
	need := 0
	first := b.sectionOf(from)
	for k := first; k < len(b.sections) && b.sections[k].first < to; k++ {
		need += len(b.sections[k].st.encoded) + 2*len(b.sections[k].st.path) + 192
	}
	if cap(p.head) < need {
		p.head = make([]byte, 0, need)
	}
	head := p.head[:0]
	before, between, after := b.enc.envelope()
	p.add([]byte(before))
	for k := first; k < len(b.sections) && b.sections[k].first < to; k++ {
		lo, hi := max(from, b.sections[k].first), to
		if k+1 < len(b.sections) {
			hi = min(hi, b.sections[k+1].first)
		}
		if k > first {
			p.add([]byte(between))
		}
		data := b.buf[int(b.records[lo].start)+b.enc.separator() : b.recordEnd(hi-1)]
		at := len(head)
		var tail []byte
		head, tail = b.enc.frame(head, b.sections[k].st, len(data))
		p.add(head[at:])
		p.add(data)
		p.add(tail)
	}
	p.add([]byte(after))
}

func (p *payload) add(b []byte) {
	if len(b) > 0 {
		p.pieces = append(p.pieces, b)
		p.size += len(b)
	}
}

// appendTo copies the payload to dst.
func (p *payload) appendTo(dst []byte) []byte {
	for _, b := range p.pieces {
		dst = append(dst, b...)
	}
	return dst
}

// open returns a reader over the payload; each attempt of a request opens its own. net/http may go on reading after it
// has returned a response, so the bytes must not be touched before inUse is done.
func (p *payload) open() io.ReadCloser {
	p.inUse.Add(1)
	return &payloadReader{rest: p.pieces, done: p.inUse.Done}
}

type payloadReader struct {
	mu   sync.Mutex
	rest [][]byte
	off  int
	done func()
}

func (r *payloadReader) Read(dst []byte) (n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done == nil {
		return 0, fs.ErrClosed
	}
	for n < len(dst) && len(r.rest) > 0 {
		m := copy(dst[n:], r.rest[0][r.off:])
		n, r.off = n+m, r.off+m
		if r.off == len(r.rest[0]) {
			r.rest, r.off = r.rest[1:], 0
		}
	}
	if n == 0 && len(r.rest) == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (r *payloadReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done != nil {
		r.done()
		r.done = nil
	}
	return nil
}
