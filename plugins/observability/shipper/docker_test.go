package shipper

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// localEntry is an entry as Docker's local driver writes it.
func localEntry(stream, text string, at time.Time, partial bool) []byte {
	var b []byte
	b = protowire.AppendString(protowire.AppendTag(b, 1, protowire.BytesType), stream)
	b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), uint64(at.UnixNano()))
	b = protowire.AppendString(protowire.AppendTag(b, 3, protowire.BytesType), text)
	if partial {
		b = protowire.AppendVarint(protowire.AppendTag(b, 4, protowire.VarintType), 1)
		meta := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 0)
		b = protowire.AppendBytes(protowire.AppendTag(b, 5, protowire.BytesType), meta)
	}
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(b)))
	return binary.BigEndian.AppendUint32(append(frame, b...), uint32(len(b)))
}

func TestDockersLocalDriverIsRead(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	var data []byte
	add := func(stream, text string, partial bool) { data = append(data, localEntry(stream, text, at, partial)...) }
	add("stdout", "first", false)
	add("stderr", "ERROR second\nwith a line end inside", false)
	add("stdout", strings.Repeat("x", 16384), true)
	add("stdout", "yz", false)
	add("stdout", "", false)
	whole := len(data)
	add("stdout", "not all of it is there yet", false)
	r := reader{parser: parser{clock: clock{loc: time.UTC}, now: at}}
	st := &settings{shared: &shared{format: DockerLocal}}
	type got struct{ body, stream string }
	read := func(data []byte, flush bool) (all []got, pos int) {
		for {
			var part int
			var rec record
			next, ok := r.next(st, splitter{max: 1 << 18, flush: flush}, data, pos, &part, &rec)
			if !ok {
				return all, pos
			}
			if rec.time != 0 && rec.time != at.UnixNano() {
				t.Errorf("time %d of %q", rec.time, rec.body)
			}
			all, pos = append(all, got{string(rec.body), rec.stream}), next
		}
	}
	all, pos := read(data[:len(data)-3], false)
	want := []got{{"first", "stdout"}, {"ERROR second\nwith a line end inside", "stderr"}, {strings.Repeat("x", 16384) + "yz", "stdout"}, {"", "stdout"}}
	if len(all) != len(want) || pos != whole {
		t.Fatalf("%d records to %d of %d", len(all), pos, whole)
	}
	for i := range want {
		if all[i] != want[i] {
			t.Errorf("record %d: %.80q, want %.80q", i, all[i], want[i])
		}
	}
	if all, pos := read(data, false); len(all) != len(want)+1 || pos != len(data) {
		t.Errorf("complete: %d records to %d of %d", len(all), pos, len(data))
	}
	if all, pos := read([]byte("this is no such file\nat all\n"), false); len(all) != 2 || pos != 28 || all[0].body != "this is no such file" {
		t.Errorf("another format: %q to %d", all, pos)
	}
	if all, pos := read(data[:len(data)-3], true); len(all) <= len(want) || pos != len(data)-3 || all[3] != want[3] {
		t.Errorf("the rest of a file that was cut off: %d records to %d", len(all), pos)
	}
}

func TestDockersLocalDriverIsShippedWhileItIsWritten(t *testing.T) {
	sink := newSink(t)
	path := filepath.Join(t.TempDir(), "container.log")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const n = 5000
	go func() {
		for i := range n {
			entry := localEntry("stdout", fmt.Sprintf("%08d%s", i, pad), time.Now(), false)
			half := len(entry) / 2
			_, _ = f.Write(entry[:half])
			_, _ = f.Write(entry[half:])
		}
	}()
	s := start(t, testOptions(t, sink.URL), File{Path: path, Format: DockerLocal})
	if err := sink.wait(n, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	if got, dup, missing := sink.tally(n); got != n || dup != 0 || len(missing) != 0 || len(sink.bodies) != 0 {
		t.Errorf("%d of %d, %d twice, torn %.200q", got, n, dup, sink.bodies)
	}
}

func FuzzDockerLocal(f *testing.F) {
	f.Add(localEntry("stdout", "hello", time.Unix(1, 0), false))
	f.Add(append(localEntry("stderr", "a piece", time.Unix(1, 0), true), 0, 0, 0, 9))
	f.Add([]byte("no frames here\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := reader{parser: parser{clock: clock{loc: time.UTC}}}
		st := &settings{shared: &shared{format: DockerLocal}}
		pos := 0
		for {
			var part int
			var rec record
			next, ok := r.next(st, splitter{max: 100, flush: true}, data, pos, &part, &rec)
			if !ok {
				break
			}
			if next <= pos || next > len(data) {
				t.Fatalf("from %d to %d of %d", pos, next, len(data))
			}
			pos = next
		}
		if pos != len(data) {
			t.Fatalf("%d of %d bytes were read", pos, len(data))
		}
	})
}
