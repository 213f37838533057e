package proc

import (
	"fmt"
	"os"
)

// Descriptors of the child, in the order of exec.Cmd.ExtraFiles.
const (
	livenessFD  = 3
	handshakeFD = 4
)

// pipes are the four connections between host and child.
type pipes struct {
	stdoutR, stdoutW       *os.File
	stderrR, stderrW       *os.File
	handshakeR, handshakeW *os.File
	livenessR, livenessW   *os.File
}

func newPipes() (*pipes, error) {
	p := &pipes{}
	for _, ends := range [][2]**os.File{
		{&p.stdoutR, &p.stdoutW}, {&p.stderrR, &p.stderrW},
		{&p.handshakeR, &p.handshakeW}, {&p.livenessR, &p.livenessW},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			p.closeChildEnds()
			p.closeHostEnds()
			return nil, fmt.Errorf("make its pipes: %w", err)
		}
		*ends[0], *ends[1] = r, w
	}
	return p, nil
}

func (p *pipes) closeChildEnds() { closeAll(p.stdoutW, p.stderrW, p.handshakeW, p.livenessR) }
func (p *pipes) closeHostEnds()  { closeAll(p.stdoutR, p.stderrR, p.handshakeR, p.livenessW) }

func closeAll(files ...*os.File) {
	for _, f := range files {
		_ = f.Close() // a nil file answers os.ErrInvalid
	}
}
