package shipper

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// compressor belongs to one sender and reuses its buffers.
type compressor struct {
	kind Compression
	gz   *gzip.Writer
	zs   *zstd.Encoder
	raw  []byte
	zout []byte
	out  bytes.Buffer
}

func newCompressor(kind Compression, level int) (*compressor, error) {
	c := &compressor{kind: kind}
	var err error
	switch kind {
	case Gzip:
		c.gz, err = gzip.NewWriterLevel(&c.out, level)
	case Zstd:
		c.zs, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.EncoderLevel(level)), zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(1<<19), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
	}
	if err != nil {
		return nil, fmt.Errorf("%s compressor at level %d: %w", kind, level, err)
	}
	return c, nil
}

// compress replaces the payload's pieces by the compressed bytes, which stay valid until the next call.
func (c *compressor) compress(p *payload) error {
	switch c.kind {
	case Gzip:
		c.out.Reset()
		c.gz.Reset(&c.out)
		for _, b := range p.pieces {
			if _, err := c.gz.Write(b); err != nil {
				return fmt.Errorf("gzip: %w", err)
			}
		}
		if err := c.gz.Close(); err != nil {
			return fmt.Errorf("gzip: %w", err)
		}
		p.pieces = append(p.pieces[:0], c.out.Bytes())
		p.size = c.out.Len()
	case Zstd:
		src := p.pieces[0]
		if len(p.pieces) > 1 {
			c.raw = p.appendTo(c.raw[:0])
			src = c.raw
		}
		c.zout = c.zs.EncodeAll(src, c.zout[:0])
		p.pieces = append(p.pieces[:0], c.zout)
		p.size = len(c.zout)
	}
	return nil
}
