package shipper

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unicode/utf8"
)

func FuzzSplitter(f *testing.F) {
	f.Add([]byte("one\ntwo\r\n\nthree"), uint16(8), true)
	f.Add([]byte("a line that is longer than the longest piece\nand another"), uint16(5), false)
	f.Add([]byte("ä€𝄞\xff\xfe"), uint16(4), true)
	f.Fuzz(func(t *testing.T, data []byte, max uint16, flush bool) {
		s := splitter{max: int(max%1000) + utf8.UTFMax, flush: flush}
		var all []byte
		pos := 0
		for {
			line, next, _, ok := s.next(data, pos)
			if !ok {
				break
			}
			if next <= pos || next > len(data) {
				t.Fatalf("from %d to %d of %d", pos, next, len(data))
			}
			if len(line) > s.max || bytes.IndexByte(line, '\n') >= 0 {
				t.Fatalf("piece of %d bytes: %q", len(line), line)
			}
			if !bytes.HasPrefix(data[pos:next], line) {
				t.Fatalf("%q does not begin with the piece %q", data[pos:next], line)
			}
			if rest := data[pos+len(line) : next]; len(rest) > 0 && string(rest) != "\n" && string(rest) != "\r\n" && (string(rest) != "\r" || !flush) {
				t.Fatalf("%q was left out", rest)
			}
			all = append(all, data[pos:next]...)
			pos = next
		}
		if flush && len(all) != len(data) {
			t.Fatalf("%d of %d bytes were cut", len(all), len(data))
		}
	})
}

func FuzzParser(f *testing.F) {
	for _, line := range []string{
		"2026-01-02T03:04:05.678Z ERROR it broke", "[2026-01-02 03:04:05,678] WARN x", "<34>1 2026-01-02T03:04:05Z host app - - - x", "<34>Oct 11 22:14:15 host su: x",
		`{"time":"2026-01-02T03:04:05Z","level":"info","msg":"x"}`, `{"ts":1767323045.678,"lvl":30}`, `time=2026-01-02T03:04:05Z level=debug`, `{"a":[1,{"b":"\u00e4`, "",
	} {
		f.Add([]byte(line))
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f.Fuzz(func(t *testing.T, line []byte) {
		for _, format := range []Format{"", Plain, JSONLog, Syslog, RFC3339} {
			p := parser{clock: clock{loc: time.UTC}, now: now}
			before := bytes.Clone(line)
			var r record
			p.parse(format, line, &r)
			if r.severity > 24 {
				t.Errorf("%s: severity %d of %q", format, r.severity, line)
			}
			if format == Plain && (r.time != 0 || r.severity != 0) {
				t.Errorf("a plain line has got a meaning: %+v", r)
			}
			if !bytes.Equal(before, line) {
				t.Errorf("%s changes the line %q to %q", format, before, line)
			}
		}
		for _, max := range []int{1 << 10, 3 * len(line), len(line)} {
			if clean, _ := validUTF8(line, nil, max); !utf8.Valid(clean) || max >= len(line) && len(clean) > max && len(clean) > len(line) {
				t.Errorf("made safe within %d: %q", max, clean)
			}
		}
	})
}

func FuzzDockerLine(f *testing.F) {
	f.Add([]byte(`{"log":"hello\n","stream":"stdout","time":"2026-01-02T03:04:05.678901234Z"}`))
	f.Add([]byte(`{"log":"half`))
	f.Fuzz(func(t *testing.T, line []byte) {
		n := 0
		whole := eachMember(line, func(m member) bool {
			if len(m.key) > len(line) || len(m.value) > len(line) {
				t.Errorf("a member longer than its line: %q", line)
			}
			n++
			return true
		})
		if whole && n > len(line) {
			t.Errorf("%d members in %q", n, line)
		}
	})
}

func FuzzCheckpoint(f *testing.F) {
	dir := f.TempDir()
	s := slots{dir: dir}
	if err := s.save([]entry{{Path: "/var/log/app.log", State: stateTailing}}, time.Now()); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, "checkpoint-a"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "checkpoint-a"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		s := slots{dir: dir}
		entries, notes, err := s.load()
		if err == nil && len(notes) == 0 && !bytes.HasPrefix(data, whole[:4]) {
			t.Errorf("%q was taken for a checkpoint of %d entries", data, len(entries))
		}
		if err == nil { // whatever was there, the next checkpoint can be written and read
			if err := s.save([]entry{{Path: "/x", State: stateTailing}}, time.Now()); err != nil {
				t.Fatal(err)
			}
			again := slots{dir: dir}
			if entries, _, err := again.load(); err != nil || len(entries) != 1 {
				t.Errorf("after saving: %v, %v", entries, err)
			}
		}
	})
}
