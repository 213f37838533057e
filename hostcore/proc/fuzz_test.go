package proc

import (
	"bytes"
	"testing"
)

// FuzzOutput wants every line of output whole or cut, never more than MaxLine
// and a mark, however the bytes are split.
func FuzzOutput(f *testing.F) {
	f.Add([]byte("one\ntwo\r\nthree"), 2)
	f.Add(bytes.Repeat([]byte("x"), MaxLine+10), 7)
	f.Add([]byte("panic: boom\n\ngoroutine 1 [running]:\n"), 1)
	f.Add([]byte("{\"level\":\"info\",\"msg\":\"x\"}\n{"), 5)
	f.Fuzz(func(t *testing.T, data []byte, step int) {
		if step <= 0 {
			step = 1
		}
		var kept tail
		lines := 0
		w := &lineWriter{emit: func(line []byte) {
			lines++
			if len(line) > MaxLine+64 || bytes.IndexByte(line, '\n') >= 0 {
				t.Errorf("a line of %d bytes", len(line))
			}
			kept.add(line)
			_ = parseLine(line) // must not panic
		}}
		for rest := data; len(rest) > 0; {
			n := min(step, len(rest))
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if most := bytes.Count(data, []byte("\n")) + 1; lines > most {
			t.Errorf("%d lines of at most %d", lines, most)
		}
		if len(kept.String()) > ringSize || len(kept.excerpt()) > excerptSize+64 {
			t.Errorf("kept %d bytes, excerpt %d", len(kept.String()), len(kept.excerpt()))
		}
	})
}
