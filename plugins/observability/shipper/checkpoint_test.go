package shipper

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestACheckpointIsReadBackAsItWasWritten(t *testing.T) {
	dir := t.TempDir()
	entries := []entry{
		{Path: "/var/log/\xff\xfe.log", At: "/var/log/\xff.1", Dev: math.MaxUint64, Ino: math.MaxUint64, Birth: -1, Head: digest{1024, math.MaxUint64},
			Offset: math.MaxInt64, Guard: digest{256, 1}, State: stateFinished, Seen: math.MaxInt64},
		{Path: "/var/log/\"quoted\\\n\x01\u2028 <ä>.log", State: stateTailing},
	}
	for i := range 3000 { // several pieces
		entries = append(entries, entry{Path: pathString(fmt.Sprintf("/var/log/%0100d.log", i)), Ino: uint64(i), Offset: int64(i), State: stateRotated})
	}
	s := slots{dir: dir}
	for _, n := range []int{len(entries), 1, 0, 2} { // a shorter one leaves the rest of the longer one behind it
		if err := s.save(entries[:n], time.Now()); err != nil {
			t.Fatal(err)
		}
		again := slots{dir: dir}
		got, notes, err := again.load()
		if diff := cmp.Diff(append([]entry(nil), entries[:n]...), got); err != nil || len(notes) > 0 || diff != "" || again.seq != s.seq {
			t.Errorf("%d entries: %v, %q, sequence %d of %d (-want +got):\n%.2000s", n, err, notes, again.seq, s.seq, diff)
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "checkpoint-a"))
	if line, _, ok := bytes.Cut(b, []byte("\n")); err != nil || !ok || len(line) != checkpointHead-1 {
		t.Errorf("header line of %d bytes, %v", len(line), err)
	}
}
